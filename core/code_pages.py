"""How plausible bytes are as text of a code page: by the letters that its languages use most."""

import codecs
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

LEAST = 0.55
"""Below this score no code page is believed."""
_ENOUGH = 24 << 10
_WIDE = ("gb18030", "big5", "big5hkscs", "cp932", "euc_jp", "cp949", "johab")
_UNICODE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_WESTERN = "éáíóèäöüàñçãêõåâøôúßæëïœîûùòìýðþ¿¡"
_ALPHABETS = {  # letters beyond ASCII, the most frequent first
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "uk": "оанівитресклудмпязьбгчйхжїцюєщшфґ",
    "sr": "аоиенрстјвкдмулпгбзчцћшхжњљђфџ",
    "el": "αοιετσνηυρπκμλςωγδθχφβξζψόάίέήύώϊϋ",
    "he": "יוהלארתבמשנםכעדחקפצטגזסןךףץ",
    "ar": "اليمنوتربةعدسهفكقحجأشصطخإضزذثىغئءظؤآًٌٍَُِّْ،؟؛پچژگکی",
    "th": "านรอกเงมยลวดทตสะ่ปีบคัหแจพช้ขใไโิุู็์ึื์ำถผศซธณภฟญฐฉ",
    "tr": "ıüşğçöİŞĞÇÖÜâîû",
    "pl": "łóążęśćńźŁŚŻ",
    "cs": "íáéěýřšžčůúťďňô",
    "hu": "áéöóőüíúű",
    "ro": "ăîâșțşţ",
    "west": _WESTERN,
}
_CODE_PAGES = (  # of two that decode alike, the first is named
    ("cp1252", ("west",)),
    ("cp1251", ("ru", "uk", "sr")),
    ("koi8_r", ("ru",)),
    ("koi8_u", ("uk",)),
    ("cp1256", ("ar",)),
    ("iso8859_6", ("ar",)),
    ("cp1250", ("pl", "cs", "hu", "ro")),
    ("iso8859_2", ("pl", "cs", "hu", "ro")),
    ("iso8859_16", ("ro",)),
    ("cp1254", ("tr",)),
    ("cp1253", ("el",)),
    ("iso8859_7", ("el",)),
    ("cp1255", ("he",)),
    ("iso8859_5", ("ru", "sr")),
    ("cp866", ("ru",)),
    ("mac_cyrillic", ("ru",)),
    ("cp874", ("th",)),
    ("iso8859_15", ("west",)),
    ("mac_roman", ("west",)),
    ("cp850", ("west",)),
)
_SIGNS = frozenset("–—‘’“”„«»‹›…€£¥§©®°·•№™−×\u00a0\u200c\u200d\u200e\u200f฿")
_FREQUENT = frozenset(
    "的一是不了在人有我他这中大来上国和地到说时要以为子可你会对生能而那得于着下自之年过发后作里"
    "這來國說時為會對個們學們過發後裡於與據資料及或其第者"
    "のはをにたがでてとしいるなれもさかっまりすこ、。，"
    "이다는의에가을를하고은도지서로한기사자"
)
_RANGES = (  # scripts in which a character of a wide encoding may be, besides hanzi
    ("\u3040", "\u30ff"), ("\uac00", "\ud7a3"), ("\u3000", "\u303f"), ("\uff01", "\uff5e"),
    ("\u0400", "\u045f"), ("\u0620", "\u0652"), ("\u0391", "\u03ce"), ("\u05d0", "\u05ea"),
    ("\u0e01", "\u0e5b"), ("\u00c0", "\u017f"), ("\u2010", "\u2026"), ("\u1ea0", "\u1ef9"),
)  # fmt: skip


class Guess(NamedTuple):
    """A codec that decodes the whole sample, and how much like text the result is, from 0 to 1."""

    codec: str
    score: float


def guesses(sample: bytes) -> list[Guess]:
    """Code pages of at least the score LEAST, the best first; a cut last character is allowed."""
    sample = sample[:_ENOUGH]
    found = [*_wide(sample), *_narrow(sample)]
    return sorted((each for each in found if each.score >= LEAST), key=lambda each: -each.score)


def unicode_without_mark(sample: bytes) -> str | None:
    """UTF-32 or UTF-16 told from the characters that it would mean."""
    for codec in _UNICODE:
        unit = 4 if "32" in codec else 2
        text = decoded(sample[: len(sample) // unit * unit], codec)
        if text and len(text) > 1 and _unicode_score(text) >= 0.85:
            return codec
    return None


def decoded(sample: bytes, codec: str) -> str | None:
    """The sample without a character cut at its end; None when it does not fit."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(sample)
    except (UnicodeError, OverflowError):
        return None


def _unicode_score(text: str) -> float:
    if "\x00" in text:
        return 0.0
    usual = sum(char.isascii() and (char >= " " or char in "\t\n\r") for char in text)
    foreign = [char for char in text if char > "\x7f"]
    frequent = sum(char in _FREQUENT for char in foreign)
    alphabet = len({ord(char) >> 8 for char in foreign}) == 1 and max(foreign) < "\u1000"
    if not usual and not alphabet and frequent * 20 < len(text):
        return 0.0  # any pairs of bytes mean hanzi or hangul; these are not those of real text
    return (usual + sum(_common(char) for char in foreign)) / len(text)


def _wide(sample: bytes) -> Iterator[Guess]:
    seen: set[str] = set()
    for codec in _WIDE:
        text = decoded(sample, codec)
        foreign = [char for char in text or "" if char > "\x7f"]
        if text is None or not foreign or text in seen:
            continue
        seen.add(text)
        common = sum(_common_in(codec, char) for char in foreign) / len(foreign)
        usual = [char for char in foreign if char in _FREQUENT and _common_in(codec, char)]
        frequent = len(usual) / len(foreign)
        score = 0.75 * common + min(0.25, 2 * frequent)
        if not frequent and len(foreign) > 11:
            score -= 0.15
        yield Guess(codec, score if len(foreign) > 1 else score / 2)


def _common_in(codec: str, char: str) -> bool:
    """Common in the country of the code page, which has rarer characters of the others' too."""
    if "\uff61" <= char <= "\uff9f":
        return False
    if codec == "gb18030":
        return _hanzi(char) or char in _FULL or "\u3000" <= char <= "\u303f"
    if codec in ("big5", "big5hkscs"):
        return _level(char, "big5", 0xA4, 0xC6) or char in _FULL or "\u3000" <= char <= "\u303f"
    if codec in ("cp932", "euc_jp"):
        return "\u3000" <= char <= "\u30ff" or char in _FULL or _level(char, "cp932", 0x88, 0x97)
    return "\uac00" <= char <= "\ud7a3"


_FULL = frozenset(map(chr, [*range(0xFF01, 0xFF5F), *range(0x2010, 0x2027)]))


def _narrow(sample: bytes) -> Iterator[Guess]:
    for codec, languages in _CODE_PAGES:
        text = decoded(sample, codec)
        if text is not None and any(char > "\x7f" for char in text):
            yield Guess(codec, max(_language_score(text, language) for language in languages))


def _language_score(text: str, language: str) -> float:
    """Mean worth of the letters beyond ASCII: 1 the most frequent one, 0 and less what is odd."""
    worth = _worth(language)
    total = count = 0.0
    before = " "
    for char in text:
        if char > "\x7f":
            count += 1
            value = worth.get(char)
            if value is None:
                value = 0.5 if char in _SIGNS else -1.5
            elif char.isupper() and before.islower():
                value = -1.0  # the case of KOI8 letters read as Windows-1251
            total += -1.0 if _mixed(before, char) else value
        elif _mixed(char, before):
            total -= 1.0
        before = char
    return total / count if count else 0.0


def _mixed(latin: str, other: str) -> bool:
    """Whether one word would be written in two scripts."""
    return other >= "\u0370" and other.isalpha() and latin.isascii() and latin.isalpha()


@cache
def _worth(language: str) -> dict[str, float]:
    letters = _ALPHABETS[language]
    worth: dict[str, float] = {}
    for rank, letter in enumerate(letters):
        value = 1 - 0.5 * rank / len(letters)
        worth.setdefault(letter, value)
        for upper in letter.upper():
            worth.setdefault(upper, value - 0.05)
    return worth


@cache
def _common(char: str) -> bool:
    return any(low <= char <= high for low, high in _RANGES) or _hanzi(char)


@cache
def _hanzi(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" and (
        _level(char, "gb2312", 0xB0, 0xD7)
        or _level(char, "big5", 0xA4, 0xC6)
        or _level(char, "cp932", 0x88, 0x97)
    )


@cache
def _level(char: str, codec: str, low: int, high: int) -> bool:
    """Whether the character is in the part of a national set that everyday text needs."""
    try:
        lead = char.encode(codec)
    except UnicodeEncodeError:
        return False
    return len(lead) == 2 and low <= lead[0] <= high
