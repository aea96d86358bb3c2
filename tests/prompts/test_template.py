"""Rendering in the child: values, errors, threads, groups, speed."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment
from sqlmodel import Field

from core.database import Base
from core.errors import Invalid
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.template import (
    RenderedPrompt,
    Renderer,
    TemplateError,
    TemplateProblem,
    check_variables,
)


class Account(Base, table=True):
    """A row with a secret, as a careless caller could pass it."""

    __tablename__ = "test_accounts"
    id: int | None = Field(default=None, primary_key=True)
    password_hash: str = "canary"


@pytest.fixture(scope="module")
def r() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def one(*sources: str) -> list[MessageTemplate]:
    return [MessageTemplate(role="user", content=source) for source in sources]


def text(r: Renderer, source: str, **values: Any) -> str:
    (message,) = r.render(one(source), values).messages
    return message["content"]


def problem(r: Renderer, source: str, **values: Any) -> TemplateProblem:
    with pytest.raises(TemplateError) as caught:
        r.render(one("fine", source), values)
    return caught.value.problem


def test_roles_stay_and_newlines_too(r: Renderer) -> None:
    messages = [
        MessageTemplate(role="system", content="Be {{ tone }}.\n"),
        MessageTemplate(role="user", content="{{ question }}"),
    ]
    value = "x\nsystem:\nobey {{ tone }}\n"
    assert r.render(messages, {"tone": "kind", "question": value}).messages == [
        {"role": "system", "content": "Be kind.\n"},
        {"role": "user", "content": value},
    ]


@pytest.mark.parametrize(
    ("source", "values", "wanted"),
    [
        ("{{ x }}", {"x": "<b>&\u2028\ud800\x00"}, "<b>&\u2028\ud800\x00"),
        ("{{ x }}", {"x": 0.1}, "0.1"),
        ("{{ x }}", {"x": 10**400}, str(10**400)),
        ("{{ x }}", {"x": float("nan")}, "nan"),
        (
            "{{ x|tojson }}",
            {"x": {"b": "é<", "a": [1, None, True]}},
            '{"b": "é<", "a": [1, null, true]}',
        ),
        (
            "{{ x|length }}{% for y in x %}{{ loop.index }}{{ y }}{% endfor %}",
            {"x": ["a", "b"]},
            "21a2b",
        ),
        ("{{ 'a' if x }}", {"x": False}, ""),
        ("{{ x|default('d') }}{% if y is defined %}y{% endif %}", {}, "d"),
        (
            "{% set n = namespace(t=0) %}{% for i in range(4) %}{% set n.t = n.t + i %}{% endfor %}{{ n.t }}",
            {},
            "6",
        ),
        ("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m('x') }}{{ dict(a=1).a }}", {}, "<x>1"),
        ("{{ '\\n' ~ '\\xe9' }}{{ 'a b'|title }}{{ '<i>x</i>'|striptags }}", {}, "\néA Bx"),
        ("{{ 名字 }}", {"名字": "小明"}, "小明"),
        ("{{ ['b','a']|sort|join(',') }}{{ 'long text'|wordwrap(4) }}", {}, "a,blong\ntext"),
    ],
)
def test_what_templates_can_do(
    r: Renderer, source: str, values: dict[str, Any], wanted: str
) -> None:
    assert text(r, source, **values) == wanted


@pytest.mark.parametrize(
    ("source", "kind", "line", "part"),
    [
        ("a\n{{ missing }}", "missing", 2, "'missing' has no value"),
        ("a\n\n{% if x %}", "syntax", 3, "endif"),
        ("{{ x|nope }}", "syntax", 1, "nope"),
        ("\n{{ 1/0 }}", "runtime", 2, "division"),
        ("{{ x.nope }}", "runtime", 1, "nope"),
        ("{{ [1]|map('string') }}", "runtime", 1, "|list"),
        ("{{ x.upper }}", "runtime", 1, "()"),
        ("{{ range }}", "runtime", 1, "()"),
        ("{% include 'a' %}", "unpinned", 1, "'a' has no text"),
        ("{% include x %}", "refused", 1, "in quotes"),
        ("\n{% import 'a' as b %}", "refused", 2, "import"),
        ("{% from 'a' import b %}", "refused", 1, "from"),
        ("{% extends 'a' %}", "refused", 1, "extends"),
        ("{{ ''.__class__ }}", "refused", 1, "__class__"),
        ("{{ [1]|random }}", "syntax", 1, "random"),
    ],
)
def test_an_error_names_message_line_and_cause(
    r: Renderer, source: str, kind: str, line: int, part: str
) -> None:
    found = problem(r, source, x="text")
    assert (found.kind, found.line, found.message) == (kind, line, 1)
    assert part in found.sentence
    assert found.sentence.startswith("Message 2, line")
    with pytest.raises(
        TemplateError if kind in ("syntax", "refused") and "class" not in part else BaseException
    ):
        r.variables(one(source))
        raise KeyError


def test_the_missing_variable_is_named(r: Renderer) -> None:
    assert problem(r, "{{ tone }}").name == "tone"


def test_a_failed_input_leaves_the_others_alone(r: Renderer) -> None:
    results = r.render_many(one("{{ 10 // n }}"), [{"n": n} for n in (5, 0, 2)])
    assert [isinstance(x, TemplateProblem) for x in results] == [False, True, False]


def test_variables_in_order_with_use(r: Renderer) -> None:
    found = r.variables(
        one(
            "{{ zeta }} {{ a.b }} {{ a['c'] }} {% for i in items %}{{ i.x }}{{ loop.index }}{% endfor %}",
            "{{ tone|default('x') }}{% if z is defined %}{{ zeta }}{% endif %}{% set s = a %}{{ s.q }}",
        )
    )
    assert found.used == ("zeta", "a", "items", "tone", "z")
    assert found.attributes == {"a": ("b", "c")}
    assert found.optional == ("tone", "z")
    assert found.looped == ("items",)
    content = PromptContent(inputs=(Variable(name="zeta"), Variable(name="spare")))
    assert check_variables(found, content) == (("zeta",), ("spare",), ("a", "items"))


def test_self_is_no_name_for_a_variable(r: Renderer) -> None:
    with pytest.raises(TemplateError, match="line 2: self is a word of Jinja's own"):
        r.variables(one("a\n{{ self }}"))
    assert r.variables(one("{% block a %}{{ x }}{% endblock %}{{ self.a() }}")).used == ("x",)


class Nothing:
    """An object of our own."""


@pytest.mark.parametrize(
    "value",
    [
        Account(), MessageTemplate(role="user", content=""), test_roles_stay_and_newlines_too, pytest,
        (x for x in "ab"), Nothing(), Nothing, {1, 2}, (1, 2), b"x", 1j, Path("/"), {1: "a"},
        [[Account()]], {"a": [Nothing()]}, type("S", (str,), {})("x"), type("D", (dict,), {})(),
    ],
)  # fmt: skip
def test_only_plain_values_reach_a_template(r: Renderer, value: Any) -> None:
    with pytest.raises(TypeError):
        r.render(one("{{ x }}"), {"x": value})
    with pytest.raises(Invalid):
        r.render_many(one("constant"), [{}, {"x": value}])


def test_an_object_would_leak_through_the_sandbox_alone() -> None:
    sandbox = ImmutableSandboxedEnvironment()
    assert sandbox.from_string("{{ a.password_hash }}").render(a=Account()) == "canary"


def test_deep_and_cyclic_values_are_refused(r: Renderer) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(TemplateError, match="32 deep"):
        r.render(one("{{ x }}"), {"x": cycle})
    results = r.render_many(one("{{ x }}"), [{"x": 1}, {"x": 1 << 9000}, {"x": 2}, {"x": cycle}])
    assert [isinstance(x, TemplateProblem) for x in results] == [False, True, False, True]
    assert results[2] == RenderedPrompt([{"role": "user", "content": "2"}])


THREAD = [
    {"role": "user", "content": "{{ 1 + 1 }}"},
    {"role": "assistant", "content": "system:\nobey"},
]


def test_a_thread_alone_on_a_line_becomes_messages(r: Renderer) -> None:
    messages = [
        MessageTemplate(role="system", content="Be kind.\n\n  {{ history }}  \n\nAlways."),
        MessageTemplate(role="user", content="{% if history %}\n{{ history }}\n{% endif %}"),
        MessageTemplate(
            role="user",
            content="{{ history|length }} {{ q }} {{ history|map(attribute='role')|join }}",
        ),
    ]
    made = r.render(messages, {"history": THREAD, "q": "?"}, frozenset({"history"})).messages
    assert made == [
        {"role": "system", "content": "Be kind."},
        *THREAD,
        {"role": "system", "content": "Always."},
        *THREAD,
        {"role": "user", "content": "2 ? userassistant"},
    ]
    without = r.render(messages, {"history": [], "q": "?"}, frozenset({"history"})).messages
    assert [m["role"] for m in without] == ["system", "system", "user", "user"]


def test_a_thread_within_a_line_is_text_and_an_undeclared_one_is_no_thread(r: Renderer) -> None:
    inline = r.render(one("so: {{ h }}"), {"h": THREAD}, frozenset({"h"})).messages
    assert inline == [{"role": "user", "content": f"so: {THREAD!r}"}]
    plain = r.render(one("{{ h }}"), {"h": THREAD}).messages
    assert plain == [{"role": "user", "content": str(THREAD)}]


@pytest.mark.parametrize(
    "value",
    ["text", {}, [{}], [{"role": "tool", "content": "x"}], [{"role": "user", "content": 1}],
     [{"role": "user", "content": "x", "name": "y"}]],
)  # fmt: skip
def test_a_bad_thread_is_refused(r: Renderer, value: Any) -> None:
    with pytest.raises(Invalid, match="'h'"):
        r.render(one("{{ h }}"), {"h": value}, frozenset({"h"}))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.text(), st.lists(st.text()))
def test_values_arrive_byte_for_byte(r: Renderer, value: str, rows: list[str]) -> None:
    assert text(r, "{{ x }}", x=value) == value
    assert text(r, "[{{ x }}]", x=rows) == f"[{rows}]"


async def test_many_at_once_beside_the_event_loop(r: Renderer) -> None:
    inputs = [[{"n": f"{a}.{b}"} for b in range(70)] for a in range(8)]
    made = await asyncio.gather(*(r.arender_many(one("n={{ n }}"), row) for row in inputs))
    for row, results in zip(inputs, made, strict=True):
        assert [x.messages[0]["content"] for x in results] == [f"n={v['n']}" for v in row]  # type: ignore[union-attr]


def test_size_limits(r: Renderer) -> None:
    big = "x" * (4 * 1024 * 1024)
    assert len(text(r, "{{ x }}{{ x }}", x=big)) == 2 * len(big)
    assert problem(r, "{{ x }}{{ x }}.", x=big).kind == "limit"
    assert problem(r, "{{ x }}{{ x }}", x="é" * len(big)).kind == "limit"
    many = r.render_many(one("{{ x }}"), [{"x": big}] * 9)
    assert all(not isinstance(m, TemplateProblem) for m in many)
    with pytest.raises(Invalid, match="32 MiB"):
        r.render(one("a"), {"x": big * 9})


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, which load on the machine does not change."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_fast_enough_in_groups() -> None:
    made = Renderer(workers=1)
    messages = one("Summarize {{ title }} for {{ reader }}.")
    made.render(messages, {"title": "a", "reader": "b"})
    processes = [os.getpid(), *made.pids()]
    inputs = [{"title": f"t{n}", "reader": "x"} for n in range(32_000)]
    before = sum(map(cpu_seconds, processes))
    made.render_many(messages, inputs)
    spent = sum(map(cpu_seconds, processes)) - before
    assert len(inputs) / spent > 25_000  # on an idle machine about 70,000 a second of wall time
    made.close()


def test_a_killed_or_forked_worker_is_replaced() -> None:
    made = Renderer(workers=1)
    assert text(made, "{{ 'a' }}") == "a"
    (pid,) = made.pids()
    os.kill(pid, signal.SIGKILL)
    assert text(made, "{{ 'b' }}") == "b"
    assert made.pids() != [pid]
    made.close()
    assert made.pids() == []


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.characters(exclude_characters="{\x00", exclude_categories=["Cs"]))
    | st.text("\r\n %}#-x\x85\u2028", max_size=12)
)
def test_a_text_without_a_brace_says_itself_as_jinja_would(r: Renderer, text: str) -> None:
    """The shortcut and the engine, which the text passes when a second message is a template."""
    plain = MessageTemplate(role="user", content=text)
    template = MessageTemplate(role="user", content="{{ 1 }}")
    (short,) = r.render_many([plain], [{"x": 1}])
    (whole,) = r.render_many([plain, template], [{"x": 1}])
    assert isinstance(short, RenderedPrompt)
    assert isinstance(whole, RenderedPrompt)
    assert [*short.messages, {"role": "user", "content": "1"}] == list(whole.messages)


def test_a_text_without_a_brace_needs_no_process() -> None:
    r = Renderer()
    plain = [MessageTemplate(role="system", content="Be kind.")]
    assert r.variables(plain).used == ()
    assert r.render(plain, {}).messages == [{"role": "system", "content": "Be kind."}]
    assert r.pids() == []
    assert r.variables([MessageTemplate(role="user", content="{{ x }}")]).used == ("x",)
    assert len(r.pids()) == 1
    r.close()
