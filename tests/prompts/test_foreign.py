"""Prompts of other programs: Langfuse, OpenAI, dotprompt, catalogues, tasks."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.errors import Invalid, PromptstoneError
from prompts.content import Message, MessageTemplate, PromptContent, Variable, typed_inputs
from prompts.export import Format, export
from prompts.files import parse_prompt_file
from prompts.foreign import mustache
from prompts.foreign.documents import entries
from prompts.foreign.found import Found
from prompts.foreign.langfuse import read_langfuse
from prompts.foreign.nunjucks import to_jinja
from prompts.foreign.openai_prompts import read_prompts
from prompts.foreign.pushing import checked, push_all
from prompts.foreign.reading import read_prompts_file
from prompts.mocks import ToolMock
from prompts.models import PromptPublic
from prompts.service import get
from prompts.template import renderer

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ACTOR = "cli:tester"


def data(value: Any) -> bytes:
    return json.dumps(value).encode()


def rendered(content: PromptContent, **values: Any) -> list[Message]:
    return renderer().render_content(content, typed_inputs(content, values)).messages


def public(content: PromptContent, **fields: Any) -> PromptPublic:
    base: dict[str, Any] = {
        "name": "news/topic", "version": 1, "newest": 1, "hash": "", "aliases": ("production",),
        "content": content, "title": None, "description": "", "tags": ("a", "b"), "message": "m",
        "based_on": None, "author": "x", "created_at": datetime.now(UTC),
    }  # fmt: skip
    return PromptPublic(**{**base, **fields})


CHAT = {
    "name": "movie critic", "type": "chat", "version": 2, "labels": ["production", "latest"],
    "tags": ["movies"], "config": {"model": "gpt-4o", "temperature": 0.5, "languages": ["en"]},
    "prompt": [
        {"role": "system", "content": "You are a {{ level }} critic. Keep {% raw %} and {{a b}}."},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "What of {{movie}}?"},
    ],
}  # fmt: skip


def test_a_chat_prompt_of_langfuse_renders_as_there() -> None:
    found = read_langfuse("x.json", data(CHAT))
    one = found.prompts[0]
    assert (one.name, one.title, one.aliases, one.tags) == (
        "movie-critic", "movie critic", ("production",), ("movies",)
    )  # fmt: skip
    assert one.content.model == "gpt-4o"
    assert one.content.options == {"temperature": 0.5}
    assert [left.where for left in found.not_taken] == ["x.json.config.languages"]
    turns = [{"role": "user", "content": "hi {{ level }}"}, {"role": "assistant", "content": "yes"}]
    assert rendered(one.content, level="strict", movie="Dune", history=turns) == [
        {"role": "system", "content": "You are a strict critic. Keep {% raw %} and {{a b}}."},
        *turns,
        {"role": "user", "content": "What of Dune?"},
    ]


def test_versions_of_langfuse_are_pushed_once_in_their_order(db: Database) -> None:
    texts = [{"name": "t", "type": "text", "version": n, "prompt": f"v{n} {{{{x}}}}",
              "labels": ["production"] if n == 1 else []} for n in (2, 1)]  # fmt: skip
    for created in (True, False):
        found = read_langfuse("x.json", data({"data": texts, "meta": {"page": 1}}))
        checked(found)
        with db.session_scope(ACTOR) as session:
            pushed = push_all(session, found.prompts).prompts
        assert [(one.version, one.created) for one in pushed] == [(1, created), (2, created)]
    with db.read_scope() as session:
        assert get(session, "t", "production").version == 1
        assert get(session, "t").content.messages[0].content == "v2 {{ x }}"


def test_an_alias_that_was_moved_here_is_not_moved_back(sqlite_db: Database) -> None:
    found = read_langfuse("x.json", data({"name": "t", "prompt": "a", "labels": ["production"]}))
    with sqlite_db.session_scope(ACTOR) as session:
        push_all(session, found.prompts)
        from prompts.service import push

        push(session, "t", found.prompts[0].content.model_copy(update={"model": "m"}),
             alias="production")  # fmt: skip
    with sqlite_db.session_scope(ACTOR) as session:
        left = push_all(session, found.prompts).prompts[0].left
        assert "points at version 2" in left[0].reason
        assert get(session, "t", "production").version == 2


def test_references_to_other_prompts_become_includes_of_what_came_with_them(
    sqlite_db: Database,
) -> None:
    def ours(name: str, text: str, version: int, *labels: str) -> dict[str, Any]:
        return {"name": name, "prompt": text, "version": version, "labels": list(labels)}

    found = read_langfuse("x.json", data([
        ours("t", "{{x}} @@@langfusePrompt:name=base rules|label=production@@@", 1),
        ours("u", "@@@langfusePrompt:name=base rules|version=7@@@!", 1),
        ours("lost", "@@@langfusePrompt:name=gone|version=1@@@", 1),
        ours("base rules", "Be kind.", 7, "production"),
        ours("base rules", "Be brief.", 8),
    ]))  # fmt: skip
    checked(found)
    with sqlite_db.session_scope(ACTOR) as session:
        pushed, left = push_all(session, found.prompts)
        t, u = get(session, "t").content, get(session, "u").content
    assert [(one.name, one.version) for one in pushed] == [
        ("base-rules", 1), ("base-rules", 2), ("t", 1), ("u", 1),
    ]  # fmt: skip
    assert t.messages[0].content == '{{ x }} {% include "base-rules@production" %}'
    assert u.messages[0].content == '{% include "base-rules@1" %}!'
    assert [one.includes[0].text for one in (t, u)] == ["Be kind.", "Be kind."]
    assert [one.what for one in left] == ["a prompt"]
    assert "'gone@1', which is not here" in left[0].reason
    with sqlite_db.session_scope(ACTOR) as session:
        assert not any(one.created for one in push_all(session, found.prompts).prompts)


def test_references_by_number_follow_the_numbers_that_versions_get_here(
    sqlite_db: Database,
) -> None:
    def ours(name: str, text: str, version: int) -> dict[str, Any]:
        return {"name": name, "prompt": text, "version": version}

    def ref(version: int) -> str:
        return f"@@@langfusePrompt:name=tone|version={version}@@@"

    found = read_langfuse("x.json", data([
        ours("tone", "two", 2), ours("tone", "five", 5), ours("tone", "two", 7),
        ours("t", f"{ref(5)} {ref(2)} {ref(7)}", 1), ours("lost", ref(1), 1),
    ]))  # fmt: skip
    checked(found)
    with sqlite_db.session_scope(ACTOR) as session:
        left = push_all(session, found.prompts).left
        content = get(session, "t").content
    assert content.messages[0].content == (
        '{% include "tone@2" %} {% include "tone@1" %} {% include "tone@1" %}'
    )
    assert [(one.ref, one.text) for one in content.includes] == [
        ("tone@2", "five"), ("tone@1", "two"),
    ]  # fmt: skip
    assert [one.where for one in left] == ["lost"]
    assert "version 1 of tone, which the file does not hold" in left[0].reason


CONTENTS = [
    PromptContent(messages=(MessageTemplate(role="user", content="{{ x }} and {{ '{%' }}"),),
                  inputs=(Variable(name="x"),)),
    PromptContent(
        messages=(MessageTemplate(role="system", content="{% if x %}a{% endif %}"),
                  MessageTemplate(role="user", content="{{ h }}"),
                  MessageTemplate(role="assistant", content="{{ x | upper }}")),
        inputs=(Variable(name="x", default="d"), Variable(name="h", kind="thread", required=False)),
        model="gpt-4o", options={"temperature": 0.1, "max_tokens": 5, "stop": ["x"]},
        outputs={"type": "object", "properties": {"a": {"type": "string"}}},
        tools=({"type": "function", "function": {"name": "f", "parameters": {
            "type": "object", "properties": {"a": {"type": "number"}}}}},),
    ),
    PromptContent(
        messages=(MessageTemplate(role="user", content="weather?"),),
        tools=({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},),
        mocks=(ToolMock(tool="f", result={"sky": "clear"}, arguments={"city": "奥斯陆"}),
               ToolMock(tool="f", result="unknown")),
    ),
]  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_exported_to_langfuse_comes_back_as_it_was(content: PromptContent) -> None:
    text = export(public(content), "langfuse")
    found = read_langfuse("x.json", text.encode())
    assert not found.not_taken
    assert found.prompts[0].content == content
    assert found.prompts[0].aliases == ("production",)
    again = public(found.prompts[0].content)
    assert export(again, "langfuse") == text


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("form", ["openai", "prompty"])
def test_the_other_exports_come_back_too(content: PromptContent, form: Format) -> None:
    name = "x.prompty" if form == "prompty" else "x.json"
    found = read_prompts_file(name, export(public(content), form).encode())
    back = found.prompts[0].content
    assert (back.messages, back.model, back.options) == (
        content.messages, content.model, content.options
    )  # fmt: skip
    assert (back.outputs, back.tools) == (content.outputs, content.tools)


def test_a_prompt_object_of_openai() -> None:
    item = {
        "id": "pmpt_1", "object": "prompt", "name": "Support reply", "version": "3",
        "model": "gpt-5", "instructions": "Be {{tone}}.", "max_output_tokens": 90,
        "reasoning": {"effort": "low"}, "variables": {"tone": "kind"},
        "messages": [{"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Hi {{name}} {% x %}"}]}],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}},
                  {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "o", "schema": {"type": "object"}}},
        "include": ["x"],
    }  # fmt: skip
    found = read_prompts(entries("p.json", data(item), ()), "p")
    one = found.prompts[0]
    assert (one.name, one.title) == ("Support-reply", "Support reply")
    assert one.content.options == {"max_tokens": 90, "reasoning_effort": "low"}
    assert one.content.outputs == {"type": "object"}
    assert [tool["function"]["name"] for tool in one.content.tools] == ["f"]
    assert {left.where for left in found.not_taken} == {"p.json.include", "p.json.tools[1]"}
    assert rendered(one.content, tone="kind", name="Jo") == [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi Jo {% x %}"}
    ]  # fmt: skip
    image = {"id": "pmpt_2", "messages": [{"role": "user", "content": [{"type": "input_image"}]}]}
    assert "texts alone" in read_prompts(entries("p", data(image), ()), "p").not_taken[0].reason


DOTPROMPT = """---
model: googleai/gemini-flash
config:
  temperature: 0.7
  topK: 20
  version: x
input:
  schema:
    location: string, where it is
    style?: string
    guests(array):
      name: string
  default:
    location: a cafe
output:
  schema:
    greeting: string
    mood?(enum, how it sounds): [glad, sad]
tools: [timeOfDay]
---
{{role "system"}}
You greet at {{location}}.{{! hidden }}
{{#if style}}Style: {{style}}.{{else}}Plainly.{{/if}}
{{history}}
{{role "user"}}
{{#each guests}}{{@index}}:{{this.name}}/{{name}} at {{../location}}{{#unless @last}}, {{/unless}}{{/each}}
Literally \\{{x}} and {% y %}.
"""


def test_a_dotprompt_renders_as_there() -> None:
    parsed = parse_prompt_file("greet.prompt", DOTPROMPT.encode())
    content = parsed.content
    assert (parsed.name, content.model) == ("greet", "gemini-flash")
    assert content.options == {"temperature": 0.7, "top_k": 20}
    assert {note.split(" is left out")[0].split(" are left")[0] for note in parsed.notices} == {
        "config.version", "The tools timeOfDay"
    }  # fmt: skip
    assert content.outputs is not None
    assert content.outputs["required"] == ["greeting"]
    assert content.outputs["properties"]["mood"]["enum"] == ["glad", "sad"]
    said = [{"role": "user", "content": "before"}]
    found = rendered(content, guests=[{"name": "A"}, {"name": "B"}], history=said)
    assert found[0] == {"role": "system", "content": "You greet at a cafe.\nPlainly."}
    assert found[1] == said[0]
    assert found[2]["content"] == ("0:A/A at a cafe, 1:B/B at a cafe\nLiterally {{x}} and {% y %}.")


def test_a_dotprompt_names_variables_in_any_script() -> None:
    body = "{{名字}}{{#if 名字}}!{{/if}}{{#each الضيوف}} {{this.نام}}{{/each}}"
    found = rendered(parse_prompt_file("x.prompt", body.encode()).content,
                     名字="小明", الضيوف=[{"نام": "A"}])  # fmt: skip
    assert found[0]["content"] == "小明! A"


@pytest.mark.parametrize(
    ("body", "why"),
    [("{{media url=photo}}", "media"), ("{{>partial}}", "partials"), ("{{#with a}}{{/with}}", "with"),
     ("{{#if a}}", "never closed"), ("a\n{{shout b}}", "Line 2"), ('{{role "tool"}}x', "tool"),
     ("{{/each}}", "closes no block"), ("{{@metadata}}", "@metadata"), ("{{this}}", "outside")],
)  # fmt: skip
def test_what_dotprompt_can_and_we_cannot_is_refused_with_the_reason(body: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        parse_prompt_file("x.prompt", body.encode())


def test_nunjucks_becomes_jinja() -> None:
    assert to_jinja("{% if a === 'x===y' %}{{ b | dump }}{% elseif c !== null %}{{ d.length }}{% endif %}"
    ) == "{% if a == 'x===y' %}{{ b | tojson }}{% elif c != none %}{{ d | length }}{% endif %}"  # fmt: skip
    assert to_jinja("{% raw %}{{ a === b }}{% endraw %} a === b") == (
        "{% raw %}{{ a === b }}{% endraw %} a === b"
    )
    for text in ("{% include 'x' %}", "{{ env.KEY }}", "{% asyncEach a in b %}", "{{ r/a/ }}"):
        with pytest.raises(Invalid):
            to_jinja(text)


@pytest.mark.parametrize(
    "text", ["{{x}} {{ y }}", "{% a %}", "{# b #} {{", "{{a-b}}", "a }} b", "{{none}}"]
)
def test_mustache_there_and_back(text: str) -> None:
    source = mustache.to_jinja(text)
    back = mustache.from_jinja(source)
    assert back is not None
    assert back.replace(" ", "") == text.replace(" ", "")


def test_a_catalogue_of_prompts() -> None:
    rows = 'act,prompt,for_devs\n"A, b","Be ${Role: cook} with {{ braces }} {% x %}",TRUE\nA b,,FALSE\n'
    found = read_prompts_file("list.csv", rows.encode())
    one = found.prompts[0]
    assert (one.name, one.title, one.tags) == ("list/A-b", "A, b", ("for_devs",))
    assert rendered(one.content, braces="x")[0]["content"] == "Be  cook with x {% x %}"
    assert found.not_taken[0].where == "list.csv, line 3"


def test_tasks_of_lm_eval_give_their_prompt_and_list_their_functions() -> None:
    text = "task: t\ndoc_to_text: 'Q: {{q}}'\nprocess_docs: !function utils.f\nuntil: x\n"
    found = read_prompts_file("t.yaml", text.encode())
    assert found.prompts[0].content.messages[0].content == "Q: {{q}}"
    program = [one for one in found.not_taken if "function of a program" in one.reason]
    assert [one.where for one in program] == ["t.yaml process_docs"]
    own = read_prompts_file("t.yaml", b"task: t\ndoc_to_text: !function utils.f\n")
    assert not own.prompts
    assert own.not_taken[0].where == "t.yaml, line 2"


def _all(folder: str) -> tuple[Found, Counter[str], int]:
    root = DATA / folder
    if not root.is_dir():
        pytest.skip("the data is not here")
    whole, refused, files = Found(), Counter[str](), 0
    for file in sorted(root.rglob("*")):
        if not file.is_file() or file.name in ("LICENSE", "SOURCE.txt"):
            continue
        files += 1
        try:
            found = read_prompts_file(file.name, file.read_bytes())
        except PromptstoneError:
            refused[file.name] += 1
            continue
        whole.prompts += found.prompts
        whole.not_taken += found.not_taken
        assert found.prompts or found.not_taken
    checked(whole)
    return whole, refused, files


@pytest.mark.parametrize(
    ("folder", "prompts", "refused"),
    [
        ("prompts_awesome_en", 216, 0),
        ("prompts_plexpt_zh", 248, 0),
        ("prompts_lm_eval_jinja", 46, 0),
        ("prompts_prompty", 89, 2),
    ],
)
def test_all_files_of_real_collections(folder: str, prompts: int, refused: int) -> None:
    found, not_read, _files = _all(folder)
    assert len(found.prompts) == prompts
    assert sum(not_read.values()) == refused
    assert all(one.reason.rstrip().endswith((".", ")")) for one in found.not_taken)
