"""Pieces of Markdown: cut at headings, a heading without text kept with the section below it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from rag.cutting import seams
from rag.cutting.atoms import atoms
from rag.cutting.fill import Span, fill
from rag.cutting.measure import longer_than, tokens
from rag.cutting.outline import Outline, Section


class Part(NamedTuple):
    start: int
    end: int
    headings: tuple[str, ...]


def parts(text: str, found: Outline, start: int, end: int, limit: int, overlap: int) -> list[Part]:
    """Pieces of text[start:end] within `limit` tokens; none reaches over a heading with text."""
    return [
        Part(span.start, span.end, _path(found, span.end - 1))
        for group in _groups(text, _within(found.sections, start, end))
        for span in _cut(text, found, group, limit, overlap)
    ]


def parents(text: str, found: Outline, limit: int) -> list[Span]:
    """Passages of at most `limit` tokens: neighbouring sections together while they fit."""
    return [
        span
        for group in _joined(text, found.sections, limit)
        for span in _cut(text, found, group, limit, 0)
    ]


def _within(sections: list[Section], start: int, end: int) -> Iterator[Section]:
    first = bisect_right(sections, start, key=lambda section: section.start) - 1
    after = bisect_left(sections, end, key=lambda section: section.start)
    for section in sections[max(first, 0) : after]:
        yield section._replace(
            start=max(section.start, start),
            body=max(section.body, start),
            end=min(section.end, end),
        )


def _groups(text: str, sections: Iterator[Section]) -> Iterator[Span]:
    """Sections, those that are only a heading joined to the next one with text."""
    begin = end = None
    for section in sections:
        begin, end = section.start if begin is None else begin, section.end
        if seams.trimmed(text, section.body, end):
            yield Span(begin, end)
            begin = None
    if begin is not None and end is not None:
        yield Span(begin, end)


def _joined(text: str, sections: list[Section], limit: int) -> Iterator[Span]:
    """Runs of sections that fit in `limit` together, ended by a heading above the first's level."""
    begin, end, used, level = 0, 0, 0, 0
    for section in sections:
        fits = not longer_than(text, section.start, section.end, limit)
        count = tokens(text[section.start : section.end]) if fits else limit
        if begin < end and (used + count > limit or section.level < level):
            yield Span(begin, end)
            begin = end
        if begin == end:
            begin, used, level = section.start, 0, section.level
        end, used = section.end, used + count
    if begin < end:
        yield Span(begin, end)


def _cut(text: str, found: Outline, group: Span, limit: int, overlap: int) -> list[Span]:
    whole = seams.trimmed(text, *group)
    if whole is None:
        return []
    if not longer_than(text, whole.start, whole.end, limit):
        return [Span(whole.start, whole.end)]
    most = max(limit - overlap, 4)
    solids = found.solids_in(whole.start, whole.end)
    return fill(text, atoms(text, *whole, most, limit, solids), limit, overlap)


def _path(found: Outline, at: int) -> tuple[str, ...]:
    """The headings above an offset; a piece's last one, because bare headings precede its text."""
    return found.sections[bisect_right(found.sections, at, key=lambda each: each.start) - 1].path
