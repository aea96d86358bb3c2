"""What commands print: one JSON document, or plain aligned text that a terminal can trust."""

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def print_json(value: object) -> None:
    """The only thing on stdout; money stays an exact text, moments are ISO 8601."""
    sys.stdout.write(orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2).decode())
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "_asdict"):
        return value._asdict()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def say(message: str) -> None:
    """A message for people, on stderr."""
    print(message, file=sys.stderr)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns; numbers to the right; nothing but a sentence when there is no row."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [
        bool(cells) and all(_is_number(row[column]) for row in cells)
        for column in range(len(heads))
    ]
    table = [list(heads), *cells]
    widths = [max(_width(row[column]) for row in table) for column in range(len(heads))]
    for row in table:
        parts = [_pad(*cell) for cell in zip(row, widths, right, strict=True)]
        print("  ".join(parts).rstrip())


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """One `name  value` a line."""
    listed = [(name, _cell(value)) for name, value in pairs]
    width = max((_width(name) for name, _ in listed), default=0)
    for name, value in listed:
        print(f"{_pad(name, width, False)}  {value}".rstrip())


def visible(text: str, *, keep: str = "") -> str:
    """`text` with control and direction characters spelled out, so that none acts."""
    return "".join(char if char in keep or _is_plain(char) else _spelled(char) for char in text)


def money(value: object) -> str:
    """Dollars for people: unrounded, or the word for what is not known."""
    return "unpriced" if value is None else f"${Decimal(str(value)).normalize():f}"


def percent(value: float | None) -> str:
    """A share as 81.3%."""
    return "–" if value is None else f"{100 * value:.1f}%"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(part) for part in value) or "–"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return visible(str(value))


def _is_plain(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cs") and char not in _BIDI


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _is_number(text: str) -> bool:
    return text == "–" or text.lstrip("-$").replace(".", "", 1).rstrip("%").isdigit()


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
