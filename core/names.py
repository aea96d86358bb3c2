"""What objects may be called: `/`-joined segments of letters of any script, digits, `_ . -`."""

import re
import unicodedata

from core.errors import Invalid

MAX_LENGTH = 128
_SEGMENT = re.compile(r"[\w.\-]+")
_OUTSIDE = re.compile(r"[^\w.\-/]+")


def check_name(name: str, what: str = "name") -> str:
    """Return `name` in NFC, or raise Invalid that names the offending part."""
    name = unicodedata.normalize("NFC", name)
    segments = name.split("/")
    well_formed = all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in segments)
    if not well_formed or len(name) > MAX_LENGTH:
        raise Invalid(
            f"The {what} {name[:60]!r} cannot be used. Use letters, digits, '_', '.', '-' and '/' "
            f"between folders, at most {MAX_LENGTH} characters, such as news/summary.",
            param=what,
        )
    return name


def check_alias(alias: str) -> str:
    """Like `check_name` for one segment, never `latest`, never digits only."""
    alias = check_name(alias, "alias")
    if "/" in alias or alias == "latest" or alias.isdigit():
        raise Invalid(
            f"The alias {alias!r} cannot be used: 'latest' moves by itself and digits are version "
            "numbers. Choose a name such as production.",
            param="alias",
        )
    return alias


def slug(title: str, fallback: str = "untitled") -> str:
    """A legal name near `title`, for imports."""
    text = unicodedata.normalize("NFC", title).strip().replace(" ", "-")
    text = _OUTSIDE.sub("-", text).strip("-/.") or fallback
    parts = [part.strip("-") for part in text.split("/")]
    return "/".join(part for part in parts if part and part not in (".", ".."))[:MAX_LENGTH]


def split_ref(text: str) -> tuple[str, str]:
    """`news@2` to ("news", "2"); without `@` the reference is `latest`."""
    name, _, ref = text.partition("@")
    return name, ref or "latest"
