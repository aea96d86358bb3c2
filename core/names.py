"""What objects may be called: `/`-joined segments of letters of any script, digits, `_ . -`."""

import unicodedata
from itertools import groupby

from core.errors import Invalid

MAX_LENGTH = 128
_MARKS = ("Mn", "Mc")  # vowel signs and the like: part of the letters of many scripts


def check_name(name: str, what: str = "name") -> str:
    """Return `name` in NFC, or raise Invalid that names the offending part."""
    name = unicodedata.normalize("NFC", name)
    segments = name.split("/")
    if not all(map(_is_segment, segments)) or len(name) > MAX_LENGTH:
        raise Invalid(
            f"The {what} {name[:60]!r} cannot be used. Use letters, digits, '_', '.', '-' and '/' "
            f"between folders, at most {MAX_LENGTH} characters, such as news/summary.",
            param=what,
        )
    return name


def _is_segment(part: str) -> bool:
    if part in ("", ".", "..") or _is_mark(part[0]):
        return False
    return all(map(_is_legal, part))


def _is_legal(char: str) -> bool:
    return char in "_.-" or char.isalnum() or _is_mark(char)


def _is_mark(char: str) -> bool:
    return unicodedata.category(char) in _MARKS


def check_alias(alias: str) -> str:
    """Like `check_name` for one segment, never `latest`, never digits only."""
    alias = check_name(alias, "alias")
    if "/" in alias:
        raise Invalid(
            f"The alias {alias!r} cannot be used: folders are for names. "
            f"Write it with '-', such as {alias.replace('/', '-')}.",
            param="alias",
        )
    if alias == "latest" or alias.isdigit():
        raise Invalid(
            f"The alias {alias!r} cannot be used: 'latest' moves by itself and digits are version "
            "numbers. Choose a name such as production.",
            param="alias",
        )
    return alias


def slug(title: str, fallback: str = "untitled") -> str:
    """A legal name near `title`, for imports."""
    text = unicodedata.normalize("NFC", title).strip()[:MAX_LENGTH]
    parts = [_near_segment(part) for part in text.split("/")]
    return "/".join(part for part in parts if _is_segment(part)) or fallback


def _near_segment(part: str) -> str:
    """Runs of what a name cannot hold become one `-`."""
    runs = groupby(part, _is_legal)
    text = "".join("".join(chars) if legal else "-" for legal, chars in runs).strip("-")
    while text and _is_mark(text[0]):
        text = text[1:]
    return text


def split_ref(text: str) -> tuple[str, str]:
    """`news@2` to ("news", "2"); without `@` the reference is `latest`."""
    name, _, ref = text.partition("@")
    return name, ref or "latest"
