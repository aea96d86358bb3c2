"""Where a person may cut a chunk in two: at lines, else at sentences, else between words."""

import re
from collections.abc import Iterable

MOST = 200
_SEAMS = (
    re.compile(r"\n\s*(?=\S)"),
    re.compile(r"(?<=[.!?;:؟؛])\s+(?=\S)|(?<=[。！？；])(?=\S)"),
    re.compile(r"\s+(?=\S)"),
)
_ENOUGH = 3


def places(text: str) -> list[int]:
    """Offsets before which `text` may be cut, ascending; none leaves a blank half."""
    found: set[int] = set()
    for seam in _SEAMS:
        found |= set(_inside(text, (match.end() for match in seam.finditer(text))))
        if len(found) >= _ENOUGH:
            break
    ordered = sorted(found)
    step = -(-len(ordered) // MOST) or 1
    return ordered[::step]


def _inside(text: str, offsets: Iterable[int]) -> Iterable[int]:
    first = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return (at for at in offsets if first < at < end)
