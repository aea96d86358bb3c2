"""Page furniture: the lines at the top and the bottom that repeat from page to page."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rag.cleaning.changes import Change

_EDGE = 3
_LONGEST = 160
_FEWEST_PAGES = 3
_SHARE = 0.4
_NUMBER = re.compile(r"[0-9０-９٠-٩]+|(?<![A-Za-z])[ivxlc]{1,7}(?![A-Za-z])")
_TITLE = 12
_PAGE_WORDS = re.compile(
    r"\b(?:page|p|pg|of|slide|sheet|number|seite|von|página|de|pagina|di|folie|sur)\b"
    r"|[第页頁共ページ]|صفحة|من"
)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
# Structure that only looks like furniture: headings, table rows, fences.
_STRUCTURE = ("#", "|", "```", "~~~")


class _Line(NamedTuple):
    page: int
    start: int
    end: int
    key: tuple[str, bool]
    numbers: tuple[int, ...]


def furniture(text: str, pages: Sequence[int]) -> list[Change]:
    """Removals of headers, footers and page numbers; none for fewer than three pages.

    A line goes when, but for its numbers, it stands at the same edge of two pages in five, and each
    number in it is the same everywhere or counts with the pages.
    """
    if len(pages) < _FEWEST_PAGES:
        return []
    edges = [
        edge
        for page, (start, end) in enumerate(pairwise([*pages, len(text)]))
        for edge in _edges(text, page, start, end)
    ]
    repeated = _repeated([line for edge in edges for line in edge], len(pages))
    removed: set[tuple[int, int]] = set()
    for edge in edges:
        for line in edge:
            if line not in repeated:
                break
            removed.add((line.start, line.end))
    return [Change(start, end, "") for start, end in sorted(removed)]


def _edges(text: str, page: int, start: int, end: int) -> Iterator[list[_Line]]:
    """The outermost lines of a page that are not blank, from the edge inwards."""
    for top in (True, False):
        lines: list[_Line] = []
        first, after = start, end
        while len(lines) < _EDGE and first < after:
            if top:
                stop = text.find("\n", first, after)
                begin, stop = first, after if stop < 0 else stop + 1
                first = stop
            else:
                begin, stop = text.rfind("\n", first, after - 1) + 1 or first, after
                begin = max(begin, first)
                after = begin
            words = text[begin:stop].strip() if stop - begin <= 4 * _LONGEST else " " * 9
            if words.strip() and len(words) <= _LONGEST and not words.startswith(_STRUCTURE):
                lines.append(_line(page, begin, stop, words, top))
            elif words:
                break
        yield lines


def _line(page: int, start: int, end: int, words: str, top: bool) -> _Line:
    lowered = " ".join(words.lower().split())
    numbers = tuple(_value(match.group()) for match in _NUMBER.finditer(lowered))
    return _Line(page, start, end, (_NUMBER.sub("#", lowered), top), numbers)


def _value(digits: str) -> int:
    if digits[0] not in _ROMAN:
        return int(digits[:18])
    values = [_ROMAN[each] for each in digits]
    return sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _repeated(lines: list[_Line], pages: int) -> set[_Line]:
    alike: defaultdict[tuple[str, bool], list[_Line]] = defaultdict(list)
    for line in lines:
        alike[line.key].append(line)
    needed = max(_FEWEST_PAGES, int(pages * _SHARE + 0.999))
    kept: set[_Line] = set()
    for same in alike.values():
        if len(same) >= needed:
            counting = _counting(same)
            if len({line.page for line in counting}) >= needed:
                kept.update(counting)
    return kept


def _counting(lines: list[_Line]) -> list[_Line]:
    """Those whose every number is the commonest, or the commonest distance from the page's.

    "Day 3" on the third page may be its title: what counts with the pages must say "page", nothing
    or much.
    """
    letters = sum(each.isalpha() for each in _PAGE_WORDS.sub("", lines[0].key[0]))
    may_count = not letters or letters >= _TITLE
    for place in range(len(lines[0].numbers)):
        same, at_same = Counter(line.numbers[place] for line in lines).most_common(1)[0]
        away, at_away = Counter(line.numbers[place] - line.page for line in lines).most_common(1)[0]
        lines = [
            line
            for line in lines
            if (
                line.numbers[place] == same
                if at_same > at_away
                else may_count and line.numbers[place] - line.page == away
            )
        ]
    return lines
