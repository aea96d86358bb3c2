"""Sentences of an answer, in any script: what a judge supports one by one."""

import re

_END = re.compile(r"[.!?؟।…]+[\"'”’)\]*_]*(?=\s|$)|[。！？]+[”’」』）]*|\n+")
_ONLY_CITED = re.compile(r"[\s\W]*(?:[\[【][\d,，、\s]+[\]】][\s\W]*)+")
_NO_END = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|etc|al|no|nr|fig|dr|mr|mrs|ms|prof|st|\d+|[a-z])\.$", re.I
)


def sentences(text: str) -> list[str]:
    """The sentences in order, without those that hold no letter or digit.

    A citation behind the full stop belongs to what it follows; abbreviations, initials and numbers
    of a list end nothing.
    """
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.end()]
        if "\n" not in end.group() and _NO_END.search(piece.strip()):
            continue
        _add(found, piece)
        start = end.end()
    _add(found, text[start:])
    return [one for one in found if any(map(str.isalnum, one))]


def _add(found: list[str], piece: str) -> None:
    piece = piece.strip()
    if found and _ONLY_CITED.fullmatch(piece):
        found[-1] = f"{found[-1]} {piece}"
    elif piece:
        found.append(piece)
