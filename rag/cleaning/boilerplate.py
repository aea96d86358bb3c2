"""What web pages carry around their text: cookie banners, menus, rights lines."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rag.cleaning.changes import Change

_LONGEST = 1000
_COOKIES = re.compile(
    r"\b(?:we|this (?:web)?site|our (?:web)?site|our partners)\b[^.\n]{0,60}\buses? "
    r"(?:\w+ ){0,3}cookies\b|使用\s?(?:\w+\s)?cookies?"
    r"|يستخدم[^.\n]{0,40}(?:الكوكيز|ملفات تعريف الارتباط)",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"\b(?:accept|agree|consent|by continuing|cookie (?:settings|policy|preferences)|got it|"
    r"reject|opt out|learn more)\b|同意|接受|继续(?:使用|浏览)|موافق|قبول",
    re.IGNORECASE,
)
_RIGHTS = re.compile(
    r"all rights reserved|版权所有|保留所有权利|保留一切权利|جميع الحقوق محفوظة"
    r"|alle rechte vorbehalten|tous droits réservés|todos los derechos reservados",
    re.IGNORECASE,
)
_SIGNED = re.compile(r"^\W{0,8}(?:©|\(c\) ?\d{4}|copyright ©? ?\d{4})", re.IGNORECASE)
_BUTTONS = re.compile(
    r"^[\W_]*(?:skip to (?:main )?content|jump to (?:content|navigation)|back to top|"
    r"accept (?:all )?cookies|reject all|cookie settings|print this page|"
    r"share (?:this|on) (?:page|article|facebook|twitter|x|linkedin|reddit)|"
    r"返回顶部|回到顶部|跳到(?:主要)?内容|分享到(?:微信|微博)?)[\W_]*$",
    re.IGNORECASE,
)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,80})\]\([^()\s]{0,400}(?:\s\"[^\"\n]{0,100}\")?\)")
_SEPARATORS = re.compile(r"[\s|·•>/›»*+-]|\d{1,2}[.)]")
_MENU = 5
_BAR = 3


class _Line(NamedTuple):
    start: int
    end: int
    words: str


def boilerplate(text: str) -> list[Change]:
    """Removals of whole lines. Conservative: what could be content stays.

    A banner must both say that cookies are used and ask for consent; links go only as a menu:
    three on one line or five lines in a row that are nothing else, before the text or after it.
    """
    lines = list(_lines(text))
    removed = {line for line in lines if _is_noise(line.words)} | _menus(lines)
    return [Change(line.start, line.end, "") for line in lines if line in removed]


def _lines(text: str) -> Iterator[_Line]:
    """Lines outside code blocks."""
    at, fence = 0, ""
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        words = text[at:end].strip() if end - at <= 4 * _LONGEST else "…" * 9
        if words.startswith(("```", "~~~")):
            fence = "" if fence == words[:3] else fence or words[:3]
        elif not fence:
            yield _Line(at, end, words)
        at = end


def _is_noise(words: str) -> bool:
    if len(words) > _LONGEST or not words:
        return False
    if len(words) <= 200 and (_BUTTONS.match(words) or _RIGHTS.search(words)):
        return not words.startswith(("#", "|", ">"))
    if len(words) <= 120 and _SIGNED.match(words):
        return True
    return bool(_COOKIES.search(words) and _CONSENT.search(words))


def _links(words: str) -> int:
    """How many links the line has, 0 where it has anything else."""
    if "](" not in words or words.startswith("|"):
        return 0
    rest, links = _LINK.subn("", words)
    return 0 if _SEPARATORS.sub("", rest) else links


def _menus(lines: list[_Line]) -> set[_Line]:
    filled = [line for line in lines if line.words]
    links = [_links(line.words) for line in filled]
    prose = [
        position
        for position, line in enumerate(filled)
        if not links[position] and not _is_noise(line.words)
    ]
    if not prose:
        return set()
    around = [*range(prose[0]), *range(prose[-1] + 1, len(filled))]
    found = {filled[at] for at in around if links[at] >= _BAR}
    for side in (range(prose[0]), range(prose[-1] + 1, len(filled))):
        listed = [filled[at] for at in side if links[at]]
        found.update(listed if len(listed) >= _MENU else ())
    return found
