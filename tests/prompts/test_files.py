"""Prompt files: what is read, what is refused, and that writing and reading agree."""

import contextlib
import string
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.parameters import RESERVED
from core.errors import Invalid, TooLarge
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.files import ParsedPrompt, parse_prompt_file, write_prompty
from tests.support.depth import DEEP

SLOW = [HealthCheck.too_slow]


def parse(text: str, name: str = "file.prompty") -> ParsedPrompt:
    return parse_prompt_file(name, text.encode())


def roles(parsed: ParsedPrompt) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in parsed.content.messages]


PROMPTY_2 = """---
name: weather
description: Answers about weather
metadata:
  authors: [someone]
  tags: [production, v2]
model:
  id: gpt-4o-mini
  provider: openai
  apiType: chat
  connection:
    kind: key
    endpoint: ${env:OPENAI_ENDPOINT:https://api.openai.com/v1}
    apiKey: ${env:OPENAI_API_KEY}
  options:
    temperature: 0.7
    maxOutputTokens: 1000
    stopSequences: [END]
    additionalProperties: {logit_bias: {"1": 2}, stream: true}
inputs:
  - name: city
    kind: string
    default: Paris
    description: Where
  - name: days
    kind: integer
    example: 3
    required: false
  - {name: unit, kind: string, enumValues: [C, F]}
  - {name: history, kind: thread}
outputs:
  - {name: degrees, kind: integer, description: In the unit, required: true}
  - {name: notes, kind: array, items: {kind: string}, required: false}
tools:
  - name: get_weather
    kind: function
    description: Get it
    strict: true
    parameters:
      - {name: location, kind: string, description: City}
      - {name: unit, kind: string, enumValues: [C, F], required: false}
    bindings: {unit: {input: unit}}
  - {name: fs, kind: mcp, connection: {apiKey: "${env:KEY}"}}
template: {format: {kind: jinja2}, parser: {kind: prompty}}
---
system:
You are helpful.

{{ history }}

# User:
Weather in {{ city }}?
"""


def test_prompty_2() -> None:
    parsed = parse(PROMPTY_2)
    content = parsed.content
    assert parsed[:4] == ("weather", None, "Answers about weather", ("production", "v2"))
    assert roles(parsed) == [
        ("system", "You are helpful.\n\n{{ history }}"),
        ("user", "Weather in {{ city }}?"),
    ]
    assert content.model == "gpt-4o-mini"
    assert content.options == {
        "temperature": 0.7, "max_tokens": 1000, "stop": ["END"], "logit_bias": {"1": 2},
    }  # fmt: skip
    assert content.inputs == (
        Variable(name="city", default="Paris", description="Where"),
        Variable(name="days", kind="number", example=3, required=False),
        Variable(name="unit", kind="choice", choices=("C", "F")),
        Variable(name="history", kind="thread"),
    )
    assert content.outputs == {
        "type": "object",
        "properties": {
            "degrees": {"type": "integer", "description": "In the unit"},
            "notes": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["degrees"],
        "additionalProperties": False,
    }
    (tool,) = content.tools
    assert tool["function"]["parameters"]["properties"] == {
        "location": {"type": "string", "description": "City"}
    }
    assert tool["function"]["strict"] is True
    said = " ".join(parsed.notices)
    for word in ("model.connection", "model.provider", "authors", "stream", "'fs'", "get_weather"):
        assert word in said


PROMPTY_1 = """---
name: Basic Prompt 日本
authors: [a]
model:
  api: chat
  configuration: {type: azure_openai, azure_deployment: gpt-35, api_key: "${env:KEY}"}
  parameters: {max_tokens: 3000, temperature: 0}
inputs:
  firstName: {type: string, sample: Jane}
  question: What?
sample: {firstName: Joe, context: text, score: 1.5}
---
system:
You help {{firstName}}.

user[name="Alice"]:
{{question}} user: not a role
"""


def test_prompty_1_and_the_map_form() -> None:
    parsed = parse(PROMPTY_1)
    assert (parsed.name, parsed.title) == ("Basic-Prompt-日本", "Basic Prompt 日本")
    assert parsed.content.model == "gpt-35"
    assert parsed.content.options == {"max_tokens": 3000, "temperature": 0}
    assert parsed.content.inputs == (
        Variable(name="firstName", example="Jane"),
        Variable(name="question", default="What?"),
        Variable(name="context", example="text"),
        Variable(name="score", kind="number", example=1.5),
    )
    assert roles(parsed)[1] == ("user", "{{question}} user: not a role")
    assert any("Alice" in notice for notice in parsed.notices)


@pytest.mark.parametrize("suffix", ["txt", "md", "jinja"])
def test_a_plain_text_is_one_user_message(suffix: str) -> None:
    parsed = parse("---\nsystem:\nSummarize {{ text }}\r\n", f"some/my prompt.{suffix}")
    assert parsed.name == "my-prompt"
    assert roles(parsed) == [("user", "---\nsystem:\nSummarize {{ text }}")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Just text", [("system", "Just text")]),
        ("---\n---\nBody only", [("system", "Body only")]),
        ("  ---\nname: t\n---\nBody", [("system", "Body")]),
        ("+++\nname: t\n+++\nuser:\nBody", [("user", "Body")]),
        ("system:\n\nuser:\nHello", [("system", ""), ("user", "Hello")]),
        (
            "system:\n  \n  You.  \n  \n\nuser:\n  Hello  ",
            [("system", "  \n  You.  \n  "), ("user", "  Hello  ")],
        ),
        ("  ASSISTANT :  \nx", [("assistant", "x")]),
        ("user: said\nuser:\nx", [("system", "user: said"), ("user", "x")]),
        ("user:\n\\system:\n\\\\user:", [("user", "system:\n\\user:")]),
        ("developer:\ntool:\nx", [("system", "developer:\ntool:\nx")]),
        ("user:\n---\nx\n---", [("user", "---\nx\n---")]),
        ("\ufeffuser:\r\nx\r\ny", [("user", "x\ny")]),
        ("---\nname: t\n---\n", []),
    ],
)
def test_bodies(text: str, wanted: list[tuple[str, str]]) -> None:
    assert roles(parse(text)) == wanted


@pytest.mark.parametrize(
    ("front", "part"),
    [
        ("inputs: ${file:schema.json}", r"\$\{file:schema.json\}"),
        ("description: x ${env:HOME} y", "environment"),
        ("model: {id: '${ENV:X}'}", "model.id"),
        ("model: {id: m, options: {user: '${env:X}'}}", "model.options.user"),
        ("inputs: [{name: x, default: ['${file:/etc/passwd}']}]", "files of this machine"),
        ("tools: [{name: f, description: '${env:X}'}]", "tools"),
        ("outputs: {type: object, '${env:X}': 1}", "outputs"),
        ("inputs: [{name: photo, kind: image}]", "image"),
        ("inputs: [{kind: string}]", "inputs"),
        ("inputs: [{name: a b}]", "a b"),
        ("inputs: [{name: x}, {name: x}]", "twice"),
        ("name: &a x\ntags: [*a]", "Line 3 .* aliases"),
        ("name: x\nname: y", "Line 3 .* twice"),
        ("name: !!python/object/apply:os.system [id]", "Line 2"),
        ("name: !include x.yaml", "Line 2"),
        ("a: [1\nb: 2", "Line"),
        ("a: 'x", "Line"),
        ("- a\n- b", "mapping"),
        ("{{{", "Line"),
        ("a: " + "[" * 3000 + "]" * 3000, "nested"),
        ("a: " + "[" * 50 + "]" * 50, "nested"),
        ("a: 1" + "0" * 5000, "front matter"),
        ("options: 1\nmodel: {options: 3}", "model.options"),
        ("model: [1]", "model"),
        ("template: mustache", "mustache"),
        ("template: {format: jinja2, parser: other}", "other"),
        ("sample: data.json", "sample"),
        ("outputs: [{name: a, kind: video}]", "video"),
        ("tools: 3", "tools"),
    ],
)
def test_what_is_refused_and_why(front: str, part: str) -> None:
    with pytest.raises(Invalid, match=part) as caught:
        parse(f"---\n{front}\n---\nuser:\nx")
    assert len(caught.value.message) < 500


def test_other_refusals() -> None:
    with pytest.raises(Invalid, match="three dashes"):
        parse("---\nname: x\nuser:\n")
    with pytest.raises(Invalid, match=r"a\.txt: Line 2 is not UTF-8"):
        parse_prompt_file("a.txt", b"ok\n\xff\xfe\xfa")
    for empty in (b"", b" \n\n", b"\xef\xbb\xbf"):
        with pytest.raises(Invalid, match=r"a\.md: the file is empty"):
            parse_prompt_file("a.md", empty)
    with pytest.raises(TooLarge, match="1 MiB"):
        parse_prompt_file("a.txt", b"x" * (1024 * 1024 + 1))
    with pytest.raises(TooLarge, match="256 KiB"):
        parse("---\na: " + "x" * 300_000 + "\n---\n")
    with pytest.raises(Invalid, match="prompty"):
        parse("x", "image.png")
    assert roles(parse_prompt_file("a.md", "你好".encode("utf-16"))) == [("user", "你好")]


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    start = time.process_time()
    with pytest.raises(Invalid, match="aliases"):
        parse("---\n" + "\n".join(lines) + "\n---\n")
    assert time.process_time() - start < 1


def test_yaml_words_stay_what_they_look_like() -> None:
    parsed = parse(
        "---\ninputs:\n  a: no\n  b: 2024-07-01\n  c: 12:30\n  d: 010\n  e: true\n  f: 1e3\n  g: 0.5\n---\n"
    )
    values = {v.name: v.default for v in parsed.content.inputs}
    assert values == {
        "a": "no",
        "b": "2024-07-01",
        "c": "12:30",
        "d": "010",
        "e": True,
        "f": 1000.0,
        "g": 0.5,
    }


def test_a_schema_and_openai_tools_are_kept_as_they_are() -> None:
    schema = {"type": "object", "properties": {"type": {"type": "string"}}, "required": []}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "x": 1}}}
    content = PromptContent(outputs=schema, tools=(tool, {"type": "web_search", "name": "s"}))
    parsed = parse(write_prompty("x", content))
    assert parsed.content.outputs == schema
    assert parsed.content.tools[0] == tool
    assert len(parsed.content.tools) == 1
    assert "'s' is left out" in parsed.notices[0]


# Any text a version can hold, with much of what could be mistaken for a part of the file.
_PARTS = st.sampled_from(
    ["system:", "user:", " # Assistant :", "\\user:", "\\\\system:", 'user[name="x"]:', "user[exact=true]:",
     "---", "+++", "\n", "\n\n", " ", "\t", "{{ x }}", "{% raw %}", "你好", "\u2028", "\x85", "\x02", "\ufeff",
     "# ", "'", '"', ":", "- ", "null", "no", "1e5", "0x1f", "~", "&a", "*a", "!!x", "|", ">", "@", "%", "\U0001f600"]
)  # fmt: skip
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
TEXT = st.one_of(st.lists(_PARTS, max_size=8).map("".join), st.text(_CHARACTERS, max_size=30))
LINE = TEXT.map(lambda text: text.replace("${", "$"))
NUMBER = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, LINE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINE, inner, max_size=3),
    max_leaves=6,
)
NAME = st.text(string.ascii_letters + "_é名", min_size=1, max_size=8).filter(
    lambda n: not n.startswith("__")
)
KEY = LINE.filter(lambda key: key not in RESERVED)
OPTIONS = st.dictionaries(
    st.one_of(st.sampled_from(["temperature", "max_tokens", "stop", "topP", "additionalProperties"]), KEY),
    JSON.filter(lambda value: value is not None), max_size=4,
)  # fmt: skip
SCHEMA = JSON.map(
    lambda extra: {"type": "object", "properties": {"a": {"type": "string"}}, "x": extra}
)
TOOL = st.builds(
    lambda name, extra: {"type": "function", "function": {"name": name, **extra}},
    LINE, st.dictionaries(st.sampled_from(["description", "parameters", "strict", "x", "name"]), JSON | SCHEMA, max_size=4),
)  # fmt: skip


@st.composite
def variables(draw: st.DrawFn) -> Variable | None:
    kind = draw(st.sampled_from(["text", "number", "boolean", "choice", "list", "json", "thread"]))
    fields: dict[str, Any] = {"name": draw(NAME), "kind": kind, "required": draw(st.booleans())}
    fields |= {"description": draw(LINE), "example": draw(JSON)}
    if kind == "choice":
        fields["choices"] = draw(st.lists(JSON, min_size=1, max_size=3))
    if draw(st.booleans()):
        fields["default"] = draw(JSON)
    try:
        return Variable.model_validate(fields)
    except ValidationError:
        return None


CONTENT = st.builds(
    lambda messages, model, options, inputs, outputs, tools: PromptContent(
        messages=tuple(MessageTemplate(role=role, content=text) for role, text in messages),
        model=model or None,
        options=options,
        inputs=tuple({v.name: v for v in inputs if v is not None}.values()),
        outputs=outputs,
        tools=tuple(tools),
    ),
    st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=4),
    st.none() | LINE, OPTIONS, st.lists(variables(), max_size=3), st.none() | SCHEMA, st.lists(TOOL, max_size=2),
)  # fmt: skip


@settings(max_examples=3000 if DEEP else 120, deadline=None, suppress_health_check=SLOW)
@given(CONTENT, LINE, st.lists(LINE.filter(bool), max_size=2), st.none() | LINE.filter(bool))
def test_what_is_written_reads_back_the_same(
    content: PromptContent, description: str, tags: list[str], title: str | None
) -> None:
    from prompts.fields import check_text

    description, tags = check_text(description), [check_text(tag) for tag in tags]
    title = check_text(title) if title else None
    text = write_prompty(
        "folder/名字", content, title=title, description=description, tags=tuple(tags)
    )
    parsed = parse(text)
    assert parsed.content == content
    assert parsed[:4] == ("folder/名字", title, description, tuple(tags))
    assert parsed.notices == ()


@settings(max_examples=3000 if DEEP else 200, deadline=None, suppress_health_check=SLOW)
@given(st.lists(_PARTS, max_size=30).map("".join))
def test_any_file_is_read_or_refused_in_a_sentence(text: str) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(parse(text), ParsedPrompt)
