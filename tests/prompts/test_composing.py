"""Snippets: pinned when a version is saved, refused where they cannot be, refreshed by a person."""

import time
from itertools import pairwise

import pytest

from core import canonical
from core.database import Database
from core.errors import Invalid, PromptstoneError
from prompts import service
from prompts.checks import prepared
from prompts.composing import Use
from prompts.content import MessageTemplate, PromptContent, Variable, content_hash, typed_inputs
from prompts.diff import as_text, diff
from prompts.export import export, prompt_json
from prompts.files import parse_prompt_file
from prompts.include import Include, chain_to
from prompts.template import TemplateError, renderer
from tests.prompts.hostile import ESCAPES
from tests.prompts.test_hostile import INPUTS, Trap, trap  # noqa: F401


def content(*texts: str, **more: object) -> PromptContent:
    return PromptContent(
        messages=tuple(MessageTemplate(role="user", content=text) for text in texts), **more  # type: ignore[arg-type]
    )  # fmt: skip


def push(db: Database, name: str, *texts: str, alias: str | None = None, **more: object):
    ready = prepared(content(*texts, **more))
    with db.session_scope("cli:ann") as session:
        return service.push(session, name, ready, alias=alias)


def shown(content: PromptContent, **values: object) -> str:
    return renderer().render_content(content, typed_inputs(content, values)).messages[0]["content"]


def test_an_include_is_pinned_and_its_variables_become_inputs(db: Database) -> None:
    tone = Variable(name="tone", kind="choice", choices=("kind", "dry"), default="kind")
    push(db, "tone", "Be {{ tone }}.", alias="production", inputs=(tone,))
    made = push(db, "news", 'A {% include "tone@production" %} {{ x }}').version
    assert shown(made.content, x="!") == "A Be kind. !"
    assert made.content.inputs == (tone,)
    report = renderer().variables_of(made.content)
    assert (report.used, report.includes) == (("x", "tone"), ("tone@production",))
    told = prompt_json(made)["includes"]
    assert [(one["ref"], one["name"], one["version"]) for one in told] == [
        ("tone@production", "tone", 1)
    ]
    push(db, "tone", "Stay {{ tone }}.", alias="production")
    with db.read_scope() as session:
        assert shown(service.get(session, "news").content, x="!") == "A Be kind. !"
        assert service.used_by(session, "tone") == [Use("news", 1, "tone@production", 1, 2)]
    with db.session_scope("cli:ann") as session:
        fresh = service.refresh(session, "news")
        again = service.refresh(session, "news")
    assert (fresh.version.version, again.created) == (2, False)
    assert fresh.version.message == "Refresh: tone@production 1 → 2"
    assert shown(fresh.version.content, x="!", tone="calm") == "A Stay calm. !"
    assert fresh.version.content.inputs == ()  # what the snippet declared went with it
    said = as_text(diff(made.content, fresh.version.content))
    assert "[-Be-]{+Stay+}" in said
    assert "includes tone@production: tone@1 → tone@2" in said
    with db.read_scope() as session:
        assert [one.stale for one in service.used_by(session, "tone")] == [False]


def test_a_number_stays_and_an_old_hash_does_not_change(sqlite_db: Database) -> None:
    before_includes = {
        "messages": [{"role": "user", "content": "Hello {{ x }}"}], "model": None, "options": {},
        "inputs": [], "outputs": None, "tools": [],
    }  # fmt: skip
    assert content_hash(content("Hello {{ x }}")) == canonical.content_hash(before_includes)
    push(sqlite_db, "a", "one")
    made = push(sqlite_db, "p", '{% include "a@1" %}').version
    push(sqlite_db, "a", "two")
    with sqlite_db.session_scope("cli:ann") as session:
        assert not service.refresh(session, "p").created
        assert service.get(session, "p").hash == made.hash
        again = service.push(session, "p", prepared(content('{% include "a@1" %}')))
    assert not again.created
    latest = push(sqlite_db, "p", '{% include "a" %}').version
    assert shown(latest.content) == "two"
    assert not push(sqlite_db, "p", '{% include "a" %}').created


def test_snippets_in_snippets_mean_what_they_meant_when_they_were_saved(
    sqlite_db: Database,
) -> None:
    push(sqlite_db, "base", "old")
    push(sqlite_db, "mid", '<{% include "base" %}>')
    push(sqlite_db, "base", "new")
    made = push(sqlite_db, "top", '{% include "mid" %} {% include "base" %}').version
    assert shown(made.content) == "<old> new"
    assert [(one.within, one.target) for one in made.content.includes] == [
        (None, "mid@1"), ("mid@1", "base@1"), (None, "base@2"),
    ]  # fmt: skip
    assert parse_prompt_file("x.prompty", export(made).encode()).content.messages == (
        made.content.messages
    )
    assert '"<old> new"' in export(made, "openai")


def test_what_cannot_be_included_is_one_sentence(sqlite_db: Database) -> None:
    push(sqlite_db, "two", "a", "b")
    push(sqlite_db, "a", "text")
    push(sqlite_db, "b", '{% include "a@1" %}')
    push(sqlite_db, "a", "now {{ x }}")
    for text, part in (
        ('{% include "none@1" %}', "'none@1', which is not here"),
        ('{% include "a@9" %}', "no version 9"),
        ('{% include "a@nope" %}', "no alias 'nope'"),
        ('{% include "two" %}', "has 2 messages"),
        ("{% include x %}", "names its snippet in quotes"),
        ("{% include ['a', 'b'] %}", "names its snippet in quotes"),
        ('{% include "../../etc/passwd" %}', "which is not here"),
    ):
        with pytest.raises(PromptstoneError, match=r"\.$") as error:
            push(sqlite_db, "p", text)
        assert part in error.value.message
    with pytest.raises(Invalid, match="a → b@1 → a@1"):
        push(sqlite_db, "a", '{% include "b" %}')
    with pytest.raises(Invalid, match="a → a@2"):
        push(sqlite_db, "a", '{% include "a" %}')


def test_depth_number_and_size_are_bounded(sqlite_db: Database) -> None:
    push(sqlite_db, "s0", "end")
    for n in range(1, 9):
        push(sqlite_db, f"s{n}", f'{{% include "s{n - 1}" %}}')
    with pytest.raises(Invalid, match="more than 8 deep"):
        push(sqlite_db, "s9", '{% include "s8" %}')
    many = "".join(f"{{% include 's0@{n}' %}}" for n in range(1, 4))
    with pytest.raises(Invalid, match="no version 2"):
        push(sqlite_db, "m", many)
    one = Include(ref="a", name="a", version=1, text="x")
    for wrong in (
        [one.model_copy(update={"ref": f"a{n}"}) for n in range(201)],
        [one, one.model_copy(update={"text": "y", "ref": "b"})],
        [one, one.model_copy(update={"within": "a@1"})],  # a circle, as a file could hold it
    ):
        with pytest.raises(ValueError, match=r"200|two texts|deep"):
            content('{% include "a" %}', includes=tuple(wrong))


def test_many_ways_to_one_snippet_take_no_long_time(sqlite_db: Database) -> None:
    """Five in each of eight layers: 390,625 ways, 180 includes."""
    layers = [[f"l{layer}n{n}" for n in range(5)] for layer in range(8)]
    pins = [Include(ref=one, name=one, version=1, text=" ") for one in layers[0]]
    for above, below in pairwise(layers):
        for name in above:
            pins += [
                Include(ref=one, name=one, version=1, text=" ", within=f"{name}@1") for one in below
            ]
    began = time.monotonic()
    made = content("x", includes=tuple(pins))
    assert chain_to(made.includes, "l7n4") == tuple(f"l{n}n{0 if n < 7 else 4}@1" for n in range(8))
    assert chain_to(made.includes, "none") is None
    assert time.monotonic() - began < 1


def test_a_loop_gives_its_snippet_a_variable(sqlite_db: Database) -> None:
    push(sqlite_db, "row", "- {{ item }}\n", inputs=(Variable(name="item"),))
    made = push(sqlite_db, "list", '{% for item in xs %}{% include "row" %}{% endfor %}').version
    assert made.content.inputs == ()
    assert renderer().variables_of(made.content).used == ("xs",)
    assert shown(made.content, xs=["a", "b"]) == "- a\n- b\n"


def test_an_error_in_a_snippet_says_where(sqlite_db: Database) -> None:
    push(sqlite_db, "div", "\n{{ 1 / n }}")
    made = push(sqlite_db, "p", 'x\n\n{% include "div" %}').version
    with pytest.raises(TemplateError, match="line 3, in line 2 of the snippet div@1") as error:
        shown(made.content, n=0)
    assert error.value.line == 3
    with pytest.raises(TemplateError, match="Save the prompt"):
        shown(content('{% include "div" %}'), n=1)


def test_an_export_pushed_again_is_the_same_version(sqlite_db: Database) -> None:
    push(sqlite_db, "tone", "kind {% set a = 1 %}{{ a }}", alias="production")
    made = push(
        sqlite_db,
        "p",
        '{% raw %}{% include "x" %}{% endraw %}\n{%- include "tone@production" -%}\n z',
    ).version
    push(sqlite_db, "tone", "other", alias="production")
    text = export(made)
    read = parse_prompt_file("p.prompty", text.encode())
    with sqlite_db.session_scope("cli:ann") as session:
        again = service.push(session, "p", prepared(read.content, read.pins), tags=["t"])
    assert not again.created
    for form in ("openai", "langfuse"):
        assert '{% include \\"x\\" %}{% endraw %}{% with %}kind' in export(made, form)
    inlined = made.content.model_copy(
        update={"messages": renderer().inlined(made.content), "includes": ()}
    )
    assert shown(inlined) == shown(made.content) == '{% include "x" %}kind 1z'
    other = parse_prompt_file("p.prompty", text.replace("sha256: ", "sha256: 0").encode())
    ready = prepared(other.content, other.pins)
    with sqlite_db.session_scope("x") as session, pytest.raises(Invalid, match="another text"):
        service.push(session, "p", ready)


def test_no_escape_through_includes(trap: Trap) -> None:  # noqa: F811
    """Each payload as a snippet's text, and as the name of one."""
    for payload in ESCAPES:
        armed = trap.arm(payload)
        pin = Include(ref="s", name="s", version=1, text=armed)
        made = content('{% include "s" %}', includes=(pin,))
        told = renderer().render_many(made.messages, [INPUTS, {}], includes=made.includes)
        trap.check(repr(told))
        try:
            trap.check(repr(renderer().variables_of(made)))
            trap.check(repr(renderer().inlined(made)))
        except TemplateError as error:
            trap.check(str(error))
    for path in ("@FILE@", "/etc/passwd", "../secret.txt", "file://@FILE@"):
        named = content(f"{{% include '{trap.arm(path)}' %}}")
        with pytest.raises(TemplateError, match="has no text"):
            renderer().render_content(named, {})


def test_prompts_of_one_message_can_be_included(db: Database) -> None:
    push(db, "tone", "Be kind.")
    push(db, "tone", "Be {{ kind }}.")
    push(db, "two", "One", "Two")
    push(db, "news", "Tell")
    with db.session_scope("cli:ann") as session:
        assert service.snippet_names(session, "news") == ["tone@2"]
        assert service.snippet_names(session, "", limit=1) == ["news@1"]
