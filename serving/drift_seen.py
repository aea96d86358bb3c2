"""What is looked at of a call's inputs to tell whether they drift: never the texts themselves."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import regex

LONGEST_CHOICE = 100
MESSAGE = "messages"
"""What the last message of a client is called among the inputs."""
_LOOKED_AT = 200
_SCRIPT = regex.compile(
    "|".join(
        rf"(?P<{name}>\p{{{name}}})"
        for name in (
            *("Latin", "Han", "Arabic", "Cyrillic", "Hiragana", "Katakana", "Hangul", "Greek"),
            *("Hebrew", "Devanagari", "Thai", "Bengali", "Tamil"),
        )
    )
    + r"|(?P<Other>\p{L})"
)


class Seen(NamedTuple):
    """What is kept of one input of a call: a text's length and script, a number, a short value."""

    length: int | None = None
    script: str | None = None
    number: float | None = None
    choice: str | None = None


def seen(value: object) -> Seen:
    """What is kept of a value; of lists and objects nothing."""
    if isinstance(value, bool):
        return Seen(choice=str(value).lower())
    if isinstance(value, int | float):
        return Seen(number=float(value), choice=f"{value:g}")
    if isinstance(value, str):
        choice = value if len(value) <= LONGEST_CHOICE else None
        return Seen(length=len(value), script=script_of(value), choice=choice)
    return Seen()


def script_of(text: str) -> str:
    """That of most letters at a text's beginning, Japanese by its kana; "" without letters."""
    counts = Counter(match.lastgroup for match in _SCRIPT.finditer(text[:_LOOKED_AT]))
    kana = counts["Hiragana"] + counts["Katakana"]
    if kana and kana * 10 >= counts["Han"]:
        return "Kana"
    return str(counts.most_common(1)[0][0]) if counts else ""


def seen_in(inputs: Mapping[str, Any], given: Sequence[Mapping[str, Any]]) -> dict[str, Seen]:
    """The inputs of a call by name, with the last message of its client."""
    found = {name: seen(value) for name, value in inputs.items()}
    said = [turn.get("content") for turn in given if turn.get("role") == "user"]
    if said and MESSAGE not in found:
        found[MESSAGE] = seen(said[-1])
    return found
