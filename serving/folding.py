"""One spelling for texts that are compared: no hidden characters, one width, no case.

Folding is done on whole texts, which is fast; where in the source a folded place stands is worked
out only when something was found there.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import regex

Fold = Callable[[str], str]

# What no reader sees: controls, soft hyphens, joiners, direction marks, fillers, selectors, tags.
HIDDEN = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# What may melt into the character before it: marks, Hangul vowels and finals, half-width sounds.
_TAIL = rf"\p{{M}}\u1161-\u11ff\u3131-\u318e\uff9e\uff9f\uffa1-\uffdc{HIDDEN}"
_BLANK = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Characters that fold one by one: Latin, Greek, Cyrillic, Hebrew, Arabic, kana, Han, Hangul, wide.
_PLAIN = (
    "!-~\u00c0-\u00d6\u00d8-\u00de\u00e0-\u00f6\u00f8-\u012f\u0134-\u013e\u0141-\u0148"
    "\u014a-\u017e\u0391-\u03a1\u03a3-\u03a9\u03ac-\u03af\u03b1-\u03ce\u0400-\u0482"
    "\u048a-\u04ff\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u3001\u3002\u3041-\u3096"
    "\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e"
)
_HIDDEN = re.compile(f"[{HIDDEN}]+")
# Some 30 marks on a letter are ornament, and sorting many is quadratic (UAX 15, stream-safe).
_TOWERS = regex.compile(r"(\p{M}{30})\p{M}++")
_BLANKS = re.compile(rf"(?![ \n])[{_BLANK}]+|[ \n][{_BLANK}]+")
_PIECES = regex.compile(
    rf"(?P<plain>(?:[{_PLAIN}](?![{_TAIL}])|[ \n](?![{_TAIL}{_BLANK}]))++)"
    rf"|[{_BLANK}][{_BLANK}{HIDDEN}]*+|[^{_BLANK}][{_TAIL}]*+"
)
_ACCENTS = re.compile("[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]+")
_ARABIC = str.maketrans("ٱىةکیہھ", "ايهكيهه")


class Span(NamedTuple):
    """text[start:end]."""

    start: int
    end: int


def fold(text: str) -> str:
    """NFKC without case and hidden characters; a run of blanks is one blank or one line end."""
    shown = _shown(text)
    if shown.isascii():
        return shown.lower()
    return unicodedata.normalize("NFKC", _TOWERS.sub(r"\1", shown)).casefold()


def fold_accents(text: str) -> str:
    """`fold`, and letters without accents, Arabic ones without vowel signs and in one spelling."""
    shown = _shown(text)
    if shown.isascii():
        return shown.lower()
    apart = unicodedata.normalize("NFKD", _TOWERS.sub(r"\1", shown))
    bare = _ACCENTS.sub("", apart).casefold().translate(_ARABIC)
    return unicodedata.normalize("NFC", bare)


def without_hidden(text: str) -> str:
    """The text as it is seen."""
    return _HIDDEN.sub("", text)


def _shown(text: str) -> str:
    return _BLANKS.sub(_blank, _HIDDEN.sub("", text))


def _blank(run: re.Match[str]) -> str:
    return "\n" if "\n" in run.group() else " "


def places(text: str, spans: Sequence[Span], folding: Fold) -> list[Span]:
    """Where the ascending `spans` of `folding(text)` stand in `text`, whole letters.

    A text that does not fold piece by piece (none is known) is one place.
    """
    if not spans:
        return []
    length = len(folding(text))
    if length == len(text) and text.isascii():
        return list(spans)
    pieces = list(_folded_pieces(text, folding))
    if sum(piece.length for piece in pieces) != length:
        return [Span(0, len(text))]
    return _placed(pieces, spans)


def _placed(pieces: Sequence["_Piece"], spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    starts = list(accumulate((piece.length for piece in pieces), initial=0))
    for span in spans:
        first = bisect_right(starts, span.start) - 1
        last = bisect_left(starts, span.end) - 1
        start, end = pieces[first].start, pieces[last].end
        if pieces[first].plain:
            start += span.start - starts[first]
        if pieces[last].plain:
            end -= starts[last + 1] - span.end
        found.append(Span(start, end))
    return found


class _Piece(NamedTuple):
    """text[start:end], which folds by itself to `length` characters; `plain`: one for one."""

    start: int
    end: int
    length: int
    plain: bool


def _folded_pieces(text: str, folding: Fold) -> Iterator[_Piece]:
    for match in _PIECES.finditer(text):
        start, end = match.span()
        plain = match.lastgroup == "plain"
        yield _Piece(start, end, end - start if plain else len(folding(match.group())), plain)
