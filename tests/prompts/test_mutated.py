"""SAFETY T6: templates with typing errors are a line and a sentence, for their row alone."""

import contextlib
import random
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from prompts.content import MessageTemplate
from prompts.template import RenderedPrompt, Renderer, TemplateError, TemplateProblem
from tests.prompts.hostile import ESCAPES
from tests.support.depth import DEEP

MUTATED = 200 if DEEP else 20
GOOD = (
    "Write about {{ topic|upper }} for {{ reader.name }}.",
    "{% for one in items %}{{ loop.index }}. {{ one }}\n{% endfor %}",
    "{% if words > 3 and topic is defined %}long{% else %}short{% endif %} {{ words * 2 }}",
    "{% set found = items|join(', ')|title %}{{ found[:9] }}{# note #}",
    "{% macro row(x) %}<{{ x }}>{% endmacro %}{{ row(topic) }}{{ row(items[0]) }}",
    "{{ '%05d'|format(words) }} {{ {'a': 1}['a'] }} {{ topic ~ '!' }}",
)
VALUES = {"topic": "night buses", "reader": {"name": "Zoe"}, "items": ["a", "b"], "words": 5}
PIECES = ["{{", "}}", "{%", "%}", "{#", "#}", "|", "(", ")", "[", "]", "'", '"', ".", "~", "%",
          "endfor", "endif", "raw", "include 'x'", "import", "\x00", "\ud800", "\u202e", "é", "\n",
          "0", "-", "**", "is", "not", "|attr('x')", ".__class__", "|tojson", "9" * 30]  # fmt: skip


def mutated(chance: random.Random) -> str:
    """A good template after one to four slips of the hand."""
    text = chance.choice((*GOOD, chance.choice(ESCAPES)))
    for _ in range(chance.randint(1, 4)):
        at, end = sorted(chance.choices(range(len(text) + 1), k=2))
        slips = (
            text[:at] + chance.choice(PIECES) + text[at:],
            text[:at] + text[min(end, at + 5) :],
            text[:at] + chance.choice(string.printable) + text[at + 1 :],
            text[:end] + text[at:],
        )
        text = chance.choice(slips)[:2000]
    return text


@pytest.fixture(scope="module")
def r() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def render(r: Renderer, source: str) -> list[RenderedPrompt | TemplateProblem]:
    message = MessageTemplate(role="user", content=source)
    return r.render_many([message], [VALUES, {}, VALUES])


def leaks(said: str) -> list[str]:
    """What of this machine stands in a message."""
    signs = ("Traceback", 'File "', ".py", "/usr/", str(Path.cwd()), f"{Path.home()}/")
    return [sign for sign in signs if sign in said]


@pytest.mark.parametrize("seed", range(MUTATED))
def test_a_mutated_template_is_a_sentence_or_a_text(
    r: Renderer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUTATED_CANARY", "canary-5b1f")
    source = mutated(random.Random(seed))
    if {"\0", "\ud800"} & set(source):  # what no version can hold may be refused
        with contextlib.suppress(ValueError):
            render(r, source)
        return
    results = render(r, source)
    assert len(results) == 3
    for result in results:
        if isinstance(result, TemplateProblem):
            assert result.sentence
            assert not [sign for sign in leaks(result.sentence) if sign not in source]
            assert "canary-5b1f" not in result.sentence
            assert result.line is None or 1 <= result.line <= source.count("\n") + 1
    same = [getattr(one, "sentence", None) for one in (results[0], results[2])]
    assert same[0] == same[1]  # the row between them changes nothing


def test_the_mutations_are_of_both_kinds_and_the_check_sees(r: Renderer) -> None:
    """Control: a third at least are errors, some are not; and a stack trace would be seen."""
    found = []
    for seed in range(40):
        try:
            found.append(render(r, mutated(random.Random(seed)))[0])
        except ValueError:
            continue
    broken = sum(isinstance(one, TemplateProblem) for one in found)
    assert len(found) / 3 < broken < len(found)
    assert leaks(f'Traceback (most recent call last): File "{Path.cwd()}/a.py"')


def test_the_place_of_a_slip_is_named(r: Renderer) -> None:
    with pytest.raises(TemplateError) as caught:
        r.variables([MessageTemplate(role="user", content="one\ntwo\n{{ three \nfour")])
    assert caught.value.problem.line in (3, 4)
    assert caught.value.problem.sentence
