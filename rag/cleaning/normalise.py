"""A text as it was meant: composed characters, nothing invisible, words whole at line ends."""

import re
import unicodedata
from bisect import bisect_left

import regex

from rag.cleaning.changes import Change
from rag.cutting.outline import outline

# Some 30 marks on a letter are ornament, and sorting many is quadratic (UAX 15, stream-safe).
_CONTROLS = regex.compile(
    r"\r\n?|[\v\f\x85\u2028\u2029]|[\x00-\x08\x0e-\x1f\x7f-\x9f]++|[\ud800-\udfff]"
    r"|(?<=\p{M}{30})\p{M}++"
)
_LINE_BREAKS = frozenset("\r\v\f\x85\u2028\u2029")
_INVISIBLE = re.compile(
    "\u00ad[ \t]*+\n[ \t]*+|[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
# Scripts in which a (non-)joiner changes the word, and those that separate words by U+200B.
_JOINING = regex.compile(
    r"[\p{Arabic}\p{Syriac}\p{Mongolian}\p{NKo}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}"
    r"\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}]"
)
_UNSPACED = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]")
_EMOJI = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]")
# Latin ligatures, Kangxi radicals and Arabic presentation forms: what PDF files carry as glyphs.
_GLYPHS = re.compile(
    "[\ufb00-\ufb06\u2f00-\u2fd5\ufb50-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdcf\ufe80-\ufefc]++"
)
_WORDS = re.compile(r"\S++")
_HYPHENS = regex.compile(
    r"(?<![\p{L}\p{N}_/.\]-])(\p{Latin}{2,40}+)[-\u2010]\n[ \t]*+(\p{Ll}\p{Latin}{1,40}+)"
)
"""After a bracket stands what followed a mask: it is no word of its own."""
_HYPHENED = regex.compile(r"\p{L}++(?:-\p{L}++)*+")
_ODD = "\u00a0\u1680\u2000-\u200a\u202f\u205f"
_BLANKS = re.compile(f"[ \t\n\u3000{_ODD}]{{2,}}+|[{_ODD}]|[ \t]\\Z")
_ODD_BLANK = re.compile(f"[{_ODD}]")
_LINE = 2000


def controls(text: str) -> list[Change]:
    """Line ends as \n; control characters, half surrogates and towers of marks away."""
    return [
        Change(*match.span(), "\n" if match.group()[0] in _LINE_BREAKS else "")
        for match in _CONTROLS.finditer(text)
    ]


def invisible(text: str) -> list[Change]:
    """Soft hyphens, byte order marks, direction marks and zero-width signs that mean nothing."""
    return [
        Change(*match.span(), "")
        for match in _INVISIBLE.finditer(text)
        if not _meant(text, *match.span())
    ]


def _meant(text: str, start: int, end: int) -> bool:
    sign, before, after = text[start], text[max(start - 1, 0) : start], text[end : end + 1]
    if sign == "\u200b":
        return bool(_UNSPACED.match(before) and _UNSPACED.match(after))
    if sign == "\u200d" and _EMOJI.match(before) and _EMOJI.match(after):
        return True
    if sign in "\u200c\u200d\u180e":
        return bool(_JOINING.match(before) and (sign == "\u200d" or _JOINING.match(after)))
    return False


def glyphs(text: str) -> list[Change]:
    """The glyphs that PDF files carry as the letters that they show.

    Full-width forms stay: they are Chinese and Japanese punctuation.
    """
    return [
        Change(*match.span(), unicodedata.normalize("NFKC", match.group()))
        for match in _GLYPHS.finditer(text)
    ]


def composed(text: str) -> list[Change]:
    """Unicode NFC."""
    if unicodedata.is_normalized("NFC", text):
        return []
    return [
        Change(*match.span(), unicodedata.normalize("NFC", match.group()))
        for match in _WORDS.finditer(text)
        if not unicodedata.is_normalized("NFC", match.group())
    ]


def hyphens(text: str) -> list[Change]:
    """Words broken at a line end, whole: "infor-\nmation".

    The hyphen stays where the text writes the word with it elsewhere, or each half as a word.
    """
    found = list(_HYPHENS.finditer(text))
    if not found:
        return []
    broken = {match.span(group) for match in found for group in (1, 2)}
    known = {
        match.group().casefold() for match in _HYPHENED.finditer(text) if match.span() not in broken
    }
    changes: list[Change] = []
    for match in found:
        first, second = match.group(1).casefold(), match.group(2).casefold()
        compound = f"{first}-{second}" in known or (first in known and second in known)
        keep = compound and f"{first}{second}" not in known
        changes.append(Change(match.end(1), match.start(2), "-" if keep else ""))
    return changes


def blanks(text: str) -> list[Change]:
    """Runs of blanks as one, at most one empty line; indents and columns of tabs stay."""
    changes: list[Change] = []
    for match in _BLANKS.finditer(text):
        start, end = match.span()
        new = _blank(text, start, end, match.group())
        if new != match.group():
            changes.append(Change(start, end, new))
    return changes


def _blank(text: str, start: int, end: int, run: str) -> str:
    indent = _ODD_BLANK.sub(" ", run[run.rfind("\n") + 1 :])
    breaks = run.count("\n")
    if end == len(text):
        return "\n" if breaks else ""
    if start == 0:
        return indent
    if breaks:
        return "\n" * min(breaks, 2) + indent
    if text[start - 1] == "\n" or not run.strip("\t") or _is_indented(text, start):
        return indent
    return "\u3000" if not run.strip("\u3000") else " "


def _is_indented(text: str, at: int) -> bool:
    line = text.rfind("\n", max(0, at - _LINE), at) + 1
    return text.startswith(("    ", "\t"), line)


def outside_code(text: str, changes: list[Change]) -> list[Change]:
    """Those that touch no fenced code block."""
    if not changes or ("```" not in text and "~~~" not in text):
        return changes
    solids = [solid for solid in outline(text).solids if solid.language is not None]
    starts = [solid.start for solid in solids]
    kept: list[Change] = []
    for change in changes:
        last = bisect_left(starts, change.end) - 1
        if last < 0 or solids[last].end <= change.start:
            kept.append(change)
    return kept
