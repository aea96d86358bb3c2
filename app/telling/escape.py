"""Texts in HTML and SVG."""

import re
from html import escape

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def text(value: object) -> str:
    """Escaped, with control, direction and invisible characters spelled out."""
    if value is None:
        return ""
    return escape(_HIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", str(value)))
