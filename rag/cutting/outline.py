"""A Markdown text's headings, code blocks, tables and front matter: found in one pass."""

import re
from bisect import bisect_left
from itertools import zip_longest
from typing import NamedTuple

from rag.cutting import seams
from rag.cutting.atoms import Solid

_TITLE = 200
_FRONT_MATTER = re.compile(
    r"\ufeff?---[ \t]*\r?\n(?P<body>(?:.*\n){0,500}?)(?:---|\.\.\.)[ \t\r]*(?:\n|\Z)"
)
_MARKS = re.compile(
    r"^(?:[ \t>]*+(?:(?P<fence>`{3,}+|~{3,}+)|(?P<row>\|))"
    r"|\ {0,3}(?:(?P<hashes>\#{1,6}+)(?=[ \t\r\n]|\Z)|(?P<under>=++|-++)[ \t\r]*+$))",
    re.MULTILINE | re.VERBOSE,
)
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,2000}\)")
_NOT_TITLE = re.compile(r"\s*(?:[|>*+#-]|\d+[.)])")


class Section(NamedTuple):
    """A heading and what follows it; level 0 is what comes before all headings."""

    start: int
    body: int
    end: int
    level: int
    path: tuple[str, ...]


class Outline(NamedTuple):
    sections: list[Section]
    solids: list[Solid]

    def solids_in(self, start: int, end: int) -> list[Solid]:
        """Solids that begin in [start, end), cut off at `end`."""
        first = bisect_left(self.solids, start, key=lambda solid: solid.start)
        after = bisect_left(self.solids, end, key=lambda solid: solid.start)
        return [solid._replace(end=min(solid.end, end)) for solid in self.solids[first:after]]


class _Heading(NamedTuple):
    start: int
    body: int
    level: int
    title: str


def outline(text: str) -> Outline:
    """Sections and solids of a Markdown text; linear in its length."""
    begin = _front_matter(text)
    marks = list(_MARKS.finditer(text, begin))
    headings: list[_Heading] = []
    solids: list[Solid] = []
    closers = _closers(text, marks)
    inside_until = begin
    for position, mark in enumerate(marks):
        if mark.start() < inside_until:
            continue
        if mark["fence"]:
            inside_until = _fence(text, marks, position, closers[position], solids)
        elif mark["row"]:
            _row(text, mark, solids)
        elif heading := _heading(text, mark, begin):
            headings.append(heading)
    return Outline(_sections(text, begin, headings), solids)


def _front_matter(text: str) -> int:
    """Where the text proper begins."""
    match = _FRONT_MATTER.match(text, 0, 65_536)
    return match.end() if match and ":" in match["body"] else 0


def _line_end(text: str, at: int) -> int:
    """The offset after the line's last character."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _rest(text: str, mark: re.Match[str]) -> str:
    return text[mark.end() : _line_end(text, mark.end())].strip()


def _closers(text: str, marks: list[re.Match[str]]) -> list[int]:
    """For each fence the position among `marks` of the one that closes it, -1 where none does.

    A closing fence is the next of the same sign, as long or longer, with nothing behind it
    (CommonMark 4.5). Fences wait on a stack a sign, longest at the bottom.
    """
    closers = [-1] * len(marks)
    waiting: dict[str, list[tuple[int, int]]] = {"`": [], "~": []}
    for position in range(len(marks) - 1, -1, -1):
        fence = marks[position]["fence"]
        if not fence:
            continue
        ends = waiting[fence[0]]
        at = bisect_left(ends, -len(fence) + 0.5, key=lambda end: -end[0])
        closers[position] = ends[at - 1][1] if at else -1
        if not _rest(text, marks[position]):
            while ends and ends[-1][0] <= len(fence):
                ends.pop()
            ends.append((len(fence), position))
    return closers


def _fence(
    text: str, marks: list[re.Match[str]], position: int, closer: int, solids: list[Solid]
) -> int:
    """Adds the code block that opens here; the offset up to which marks are its content."""
    mark = marks[position]
    info = _rest(text, mark)
    # Inline code in three backticks opens nothing; a fence that is never closed is a slip.
    if closer < 0 or (mark["fence"][0] == "`" and "`" in info):
        return mark.end()
    end = _line_end(text, marks[closer].end())
    language = info.strip("{}. ").split()
    solids.append(Solid(mark.start(), end, language[0] if language else "text"))
    return end


def _row(text: str, mark: re.Match[str], solids: list[Solid]) -> None:
    end = _line_end(text, mark.end())
    if solids and solids[-1].language is None and solids[-1].end + 1 == mark.start():
        solids[-1] = solids[-1]._replace(end=end)
    else:
        solids.append(Solid(mark.start(), end, None))


def _heading(text: str, mark: re.Match[str], begin: int) -> _Heading | None:
    end = _line_end(text, mark.end())
    if mark["hashes"]:
        title = text[mark.end() : end].strip()
        return _Heading(mark.start(), end, len(mark["hashes"]), _plain(title.rstrip("#")))
    above = max(text.rfind("\n", begin, max(begin, mark.start() - 1)) + 1, begin)
    title = text[above : max(above, mark.start() - 1)]
    line_before = text[text.rfind("\n", begin, max(begin, above - 1)) + 1 : above]
    if not title.strip() or len(title) > _TITLE or line_before.strip() or _NOT_TITLE.match(title):
        return None
    return _Heading(above, end, 1 if mark["under"][0] == "=" else 2, _plain(title))


def _plain(title: str) -> str:
    """The words of a title: links as their text, no marks of emphasis."""
    words = _LINK.sub(r"\1", title[:2000]).replace("**", "").replace("`", "").split()
    return " ".join(words)[:_TITLE]


def _sections(text: str, begin: int, headings: list[_Heading]) -> list[Section]:
    sections: list[Section] = []
    if seams.trimmed(text, 0, begin):
        sections.append(Section(0, 0, begin, 0, ()))
    first = headings[0].start if headings else len(text)
    if seams.trimmed(text, begin, first):
        sections.append(Section(begin, begin, first, 0, ()))
    path: list[_Heading] = []
    for heading, following in zip_longest(headings, headings[1:]):
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        end = following.start if following else len(text)
        titles = tuple(each.title for each in path if each.title)
        sections.append(Section(heading.start, heading.body, end, heading.level, titles))
    return sections
