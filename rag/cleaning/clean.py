"""The cleaning of one document, step by step, with what each step did."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rag.cleaning import normalise
from rag.cleaning.boilerplate import boilerplate
from rag.cleaning.changes import Change, apply
from rag.cleaning.furniture import furniture
from rag.cleaning.pii import pii
from rag.cleaning.settings import CleaningSettings

_SAMPLES = 5
_SHOWN = 160
_AROUND = 30


@dataclass(frozen=True, slots=True)
class Step:
    """`samples` are (before, after) of the first changes, with some text around them."""

    name: str
    changes: int
    removed_chars: int
    samples: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`pages` are the offsets in `text` at which pages begin."""

    text: str
    pages: tuple[int, ...]
    steps: tuple[Step, ...]


def clean(text: str, pages: Sequence[int], settings: CleaningSettings) -> Cleaned:
    """The text after the steps that are on, in their order; a step that changed nothing is named.

    Near duplicates are a matter between chunks: see `near_duplicates`.
    """
    steps: list[Step] = []
    for name, find in _steps(settings):
        changes = find(text, pages)
        steps.append(_report(name, text, changes))
        text, pages = apply(text, pages, changes)
    return Cleaned(text, tuple(pages), tuple(steps))


_Find = Callable[[str, Sequence[int]], list[Change]]


def _steps(settings: CleaningSettings) -> Iterator[tuple[str, _Find]]:
    if settings.normalise:
        yield "controls", lambda text, _: normalise.controls(text)
        yield "invisible", _outside_code(normalise.invisible)
        yield "glyphs", _outside_code(normalise.glyphs)
        yield "composed", _outside_code(normalise.composed)
    if settings.furniture:
        yield "furniture", furniture
    if settings.boilerplate:
        yield "boilerplate", lambda text, _: boilerplate(text)
    if settings.normalise:
        yield "hyphens", _outside_code(normalise.hyphens)
        yield "blanks", _outside_code(normalise.blanks)
    if settings.pii == "mask":
        yield "pii", lambda text, _: pii(text)


def _outside_code(find: Callable[[str], list[Change]]) -> _Find:
    return lambda text, _: normalise.outside_code(text, find(text))


def _report(name: str, text: str, changes: Sequence[Change]) -> Step:
    removed = sum(end - start - len(new) for start, end, new in changes)
    samples = tuple(_sample(text, each) for each in changes[:_SAMPLES])
    return Step(name, len(changes), removed, samples)


def _sample(text: str, change: Change) -> tuple[str, str]:
    start, end, new = change
    head, tail = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    old = text[start:end] if end - start <= _SHOWN else text[start : start + _SHOWN] + "…"
    return f"{head}{old}{tail}", f"{head}{new[:_SHOWN]}{tail}"
