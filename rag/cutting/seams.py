"""Where a text may be cut, and how willingly: paragraphs, lines, sentences, clauses, words."""

import re
from array import array
from typing import NamedTuple

import regex

from rag.cutting.measure import tokens

FORCED, PARAGRAPH, LINE, NESTED_LINE, SENTENCE, WRAP, CLAUSE, WORD, INSIDE = range(9, 0, -1)

_TERMINALS = ".!?…。！？｡．؟۔।॥；;"
_CLAUSES = ",:，、：،؛;；—–·|"
# After these no blank follows.
_FULL_WIDTH = frozenset("。！？｡．؟۔।॥；，、：،؛")
_CLOSERS = "\"'”’»)）」』】》〉\\]}*_`"
_BREAKS = "\n\r\f\v\x85\u2028\u2029"
_ENDS = re.compile(
    f"[{_TERMINALS}{_BREAKS}](?:(?<=[{_TERMINALS}])[{_TERMINALS}{_CLOSERS}]*+)?+\\s*+"
)
_CLAUSE_ENDS = re.compile(f"[{_CLAUSES}][{_CLAUSES}{_CLOSERS}]*+\\s*+")
_LINE_ENDS = re.compile(f"[{_BREAKS}]\\s*+")
_BLANKS = re.compile(r"\s++")
_NO_BREAK = frozenset(("", " ", "  ", "\u3000"))
_NOT_BLANK = re.compile(r"\S")
_MARKERS = frozenset("-*•·+#|>◦▪○●■0123456789（(【①②③④⑤⑥⑦⑧⑨⑩")
# Code points before which, or after which, a cut may part what is seen as one character.
_JOINS = regex.compile(
    r"[\p{M}\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=ZWJ}"
    r"\p{RI}\u1100-\u11ff\uac00-\ud7ff\r]"
)
_CHARACTER = regex.compile(r"\X")
_NEAR = 16
_GROUP = 48
_BLOCK = 64
_GAP = 200


class Seams(NamedTuple):
    """Cuts in order: the blanks between `ends[i]` and `starts[i]` belong to neither side."""

    ends: "array[int]"
    starts: "array[int]"
    strengths: "array[int]"

    @classmethod
    def empty(cls) -> "Seams":
        return cls(array("q"), array("q"), array("b"))

    def add(self, end: int, start: int, strength: int) -> None:
        self.ends.append(end)
        self.starts.append(start)
        self.strengths.append(FORCED if start - end > _GAP else strength)


def sentences(text: str, start: int, end: int) -> Seams:
    """Ends of paragraphs, lines and sentences between two offsets."""
    found = Seams.empty()
    last, last_strength = start, FORCED
    for match in _ENDS.finditer(text, start, end):
        run, after = match.group(), match.end()
        if after == end:
            break
        body = len(run.rstrip())
        at = match.start() + body
        strength = _strength(run[:body], run[body:], text[after])
        if not strength:
            continue
        if not body:
            at = _before_blanks(text, at, last)
        if at - last < _NEAR and strength <= last_strength and after - at <= _GAP:
            continue
        if at > last:
            found.add(at, after, strength)
            last, last_strength = after, strength
    return found


def _strength(mark: str, blanks: str, following: str) -> int:
    """0 where the match ends nothing: "3.14", "e.g. this"."""
    breaks = 0 if blanks in _NO_BREAK else blanks.count("\n") or len(blanks.splitlines())
    if breaks > 1:
        return PARAGRAPH
    if breaks:
        if mark or following in _MARKERS:
            return NESTED_LINE if blanks[-1] in " \t" else LINE
        return CLAUSE if following.islower() else WRAP
    if not blanks and mark[0] not in _FULL_WIDTH:
        return 0
    if mark[0] in ";；":
        return WRAP
    return 0 if mark[0] == "." and (following.islower() or following.isdigit()) else SENTENCE


def _before_blanks(text: str, at: int, floor: int) -> int:
    while at > floor and text[at - 1].isspace():
        at -= 1
    return at


def lines(text: str, start: int, end: int) -> Seams:
    """Ends of lines alone: rows of a table, lines of code."""
    found = Seams.empty()
    last = start
    for match in _LINE_ENDS.finditer(text, start, end):
        at = _before_blanks(text, match.start(), last)
        if at > last and match.end() < end:
            # The indent of the next line stays with it.
            begin = max(match.start(), *(text.rfind(each, at, match.end()) for each in _BREAKS)) + 1
            found.add(at, begin, LINE if match.group().count("\n") > 1 else WRAP)
            last = begin
    return found


def clauses(text: str, start: int, end: int) -> Seams:
    """After commas, colons and their like, at least some words apart."""
    return _grouped(text, _CLAUSE_ENDS, start, end, CLAUSE)


def words(text: str, start: int, end: int) -> Seams:
    """Between words, a group of about ten together: a cut need not be finer."""
    return _grouped(text, _BLANKS, start, end, WORD)


def _grouped(text: str, pattern: re.Pattern[str], start: int, end: int, strength: int) -> Seams:
    found = Seams.empty()
    last = start
    for match in pattern.finditer(text, start, end):
        mark = match.group()
        body = mark.rstrip()
        at, after = match.start() + len(body), match.end()
        if after == end:
            break
        part_of_word = body and at == after and body[0] not in _FULL_WIDTH
        if after - at <= _GAP and (after - last < _GROUP or part_of_word):
            continue
        if at > last:
            found.add(at, after, strength)
            last = after
    return found


def blocks(text: str, start: int, end: int, most: int) -> Seams:
    """Cuts of an endless run, between characters as they are seen; no part above `most` tokens.

    A token has at least one byte, a code point at most four.
    """
    size = max(1, min(_BLOCK, most // 4))
    found = Seams.empty()
    last = start
    while end - last > size:
        last = _whole_character(text, last, last + size, end, most)
        if last < end:
            found.add(last, last, INSIDE)
    return found


def _whole_character(text: str, start: int, at: int, end: int, most: int) -> int:
    """`at`, or the nearest offset that parts no grapheme cluster; a cluster too long is cut."""
    if not _JOINS.search(text, max(start, at - 1), min(end, at + 1)):
        return at
    far = min(end, at + _BLOCK)
    # A copy: regex looks back over a whole run of flags to tell where one begins.
    borders = [start + match.end() for match in _CHARACTER.finditer(text[start:far])]
    before = max((border for border in borders if border <= at), default=0)
    after = min((border for border in borders if at < border), default=at)
    if before or (after == far and far < end) or tokens(text[start:after]) > most:
        return before or at
    return after


def clause_starts(text: str, start: int, end: int) -> list[int]:
    """Offsets at which a clause begins, after `start`."""
    found = (match for match in _CLAUSE_ENDS.finditer(text, start, end) if match.end() < end)
    return [
        match.end()
        for match in found
        if match.group()[-1].isspace() or match.group()[0] in _FULL_WIDTH
    ]


def word_starts(text: str, start: int, end: int) -> list[int]:
    """Offsets at which a word begins, after `start`."""
    return [match.end() for match in _BLANKS.finditer(text, start, end)]


def character_starts(text: str, start: int, end: int) -> list[int]:
    """Offsets at which a grapheme cluster begins, after `start`."""
    return [start + match.start() for match in _CHARACTER.finditer(text[start:end])][1:]


class Stretch(NamedTuple):
    start: int
    end: int


def trimmed(text: str, start: int, end: int) -> Stretch | None:
    """Without the blanks at both ends; None where nothing else is."""
    found = _NOT_BLANK.search(text, start, end)
    return Stretch(found.start(), _before_blanks(text, end, found.start())) if found else None
