"""What a text says besides its letters: encoded, mirrored, spelled with other signs, unseen."""

import base64
import codecs
import html
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from serving.folding import Span, fold_accents, places

Place = Callable[[list[Span]], list[Span]]


class Reading(NamedTuple):
    """One way to read a text; `place` tells where ascending places of it stand in the source.

    `again`: it has all letters of the plain one, some as others, so that much is found twice.
    """

    text: str
    place: Place
    disguised: bool = True
    again: bool = False


# Cyrillic, Greek, digits and signs that stand for Latin letters.
_LOOKALIKES = str.maketrans(
    "аеорсухіѕјԁԛԝһкмтнвг" "αορνιεκτυηχω" "013457@$!|",
    "aeopcyxisjdqwhkmthbr" "aopviektunxw" "oieastasil",
)  # fmt: skip
_SIGN = re.compile(r"[а-яіѕјԁԛԝһα-ω013457@$!|](?=[a-z])")
_AROUND = 12
_TELLING = re.compile(
    "ignore|disregard|forget|instruct|prompt|system|previous|reveal|guideline|restrict|rules|override"
)
_TURNED = re.compile("snoitcurtsni|tpmorp|erongi|dragersid|snoitcirtser")
_ROT13 = re.compile("vafgehpg|cebzcg|vtaber|qvfertneq|erfgevpgvba")
_SPELLED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .,_*|/-]{1,3}[^\W\d_](?![^\W_])){9,}")
_APART = re.compile(r"[\W_]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}+(?:\r?\n[A-Za-z0-9+/_-]{4,}+)*+={0,2}")
_HEX = re.compile(r"(?:(?:\\x|\\u00|0x)?[0-9A-Fa-f]{2}[ :,]?){14,}+")
_HEX_NOISE = re.compile(r"\\x|\\u00|0x|[ :,]")
_PERCENT = re.compile(r"[A-Za-z0-9+._-]{0,24}+(?:%[0-9A-Fa-f]{2}[A-Za-z0-9+._-]{0,24}){3,}+")
_ENTITIES = re.compile(r"(?:&#x?[0-9A-Fa-f]{2,6};[A-Za-z0-9 ]{0,12}){4,}+")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_FLAG = "\U0001f3f4"
# Runs without a letter between them carry bits; emojis and Persian words have one sign at a time.
HIDDEN_RUN = re.compile(
    "[\u180e\u200b-\u200f\u2060-\u206f\ufeff\u202a-\u202e]{8,}|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"
)


def readings(text: str) -> Iterator[Reading]:
    """The text as it stands first, then what it hides; each in the letters that rules are in."""
    folded = fold_accents(text)

    def in_order(found: list[Span]) -> list[Span]:
        return places(text, found, fold_accents)

    def turned(found: list[Span]) -> list[Span]:
        size = len(folded)
        return in_order([Span(size - end, size - start) for start, end in found[::-1]])[::-1]

    yield Reading(folded, in_order, disguised=False)
    if _mixes_letters(folded):
        yield Reading(folded.translate(_LOOKALIKES), in_order, again=True)
    if _TURNED.search(folded):
        yield Reading(folded[::-1], turned, again=True)
    if _ROT13.search(folded):
        yield Reading(codecs.encode(folded, "rot13"), in_order, again=True)
    for span, inside in _encoded(text):
        yield Reading(fold_accents(inside), lambda found, span=span: [span] * len(found))


def tags(text: str) -> list[Span]:
    """Runs of Unicode's invisible tag characters that are no flag of a country's part."""
    return [
        Span(*match.span())
        for match in _TAGS.finditer(text)
        if match.start() == 0 or text[match.start() - 1] != _FLAG
    ]


def _encoded(text: str) -> Iterator[tuple[Span, str]]:
    for span in tags(text):
        yield span, "".join(chr(ord(sign) - 0xE0000) for sign in text[span.start : span.end])
    for match in _BASE64.finditer(text):
        if inside := _from_base64(match.group()):
            yield Span(*match.span()), inside
    for match in _HEX.finditer(text):
        digits = _HEX_NOISE.sub("", match.group())
        if inside := _as_text(bytes.fromhex(digits)):
            yield Span(*match.span()), inside
    for match in _SPELLED.finditer(text):
        yield Span(*match.span()), _joined(match.group())
    for pattern, decode in ((_PERCENT, unquote), (_ENTITIES, html.unescape)):
        for match in pattern.finditer(text):
            yield Span(*match.span()), decode(match.group())


def _mixes_letters(folded: str) -> bool:
    """Whether a telling word is written with signs that only look like its letters."""
    around = (folded[max(0, at - _AROUND) : at + _AROUND] for at in _starts(_SIGN, folded))
    return any(_TELLING.search(piece.translate(_LOOKALIKES)) for piece in around)


def _starts(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    return (match.start() for match in pattern.finditer(text))


def _joined(spelled: str) -> str:
    """Letters that stand apart as words: what parts most of them is no gap between words."""
    usual = Counter(_APART.findall(spelled)).most_common(1)[0][0]
    return _APART.sub(lambda gap: "" if gap.group() == usual else " ", spelled)


def _from_base64(run: str) -> str | None:
    letters = re.sub(r"[\s=]", "", run).replace("-", "+").replace("_", "/")
    if len(letters) % 4 == 1:
        return None
    return _as_text(base64.b64decode(letters + "=" * (-len(letters) % 4)))


def _as_text(raw: bytes) -> str | None:
    """Bytes that are a text; most are not."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if "".join(text.split()).isprintable() else None
