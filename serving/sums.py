"""Sums of money in the database, exact: SQLite has no number that could hold them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Numeric, Text, case, cast, func, type_coerce
from sqlmodel import col

from serving.models import Trace

MOST_DIGITS = 80
_CHUNK = 9
_CHUNKS = 3
"""Digits after the point that are added: 27, a billionth of a billionth of a billionth."""


def cost_sum(dialect: str) -> list[ColumnElement[Any]]:
    """Columns that `exact_cost` makes the sum of: one number, or whole dollars and chunks."""
    text = type_coerce(col(Trace.cost), Text)
    if dialect == "postgresql":
        return [func.sum(cast(text, Numeric))]
    pointed = case((func.instr(text, ".") == 0, text + "."), else_=text)
    padded = pointed + "0" * _CHUNK * _CHUNKS
    point = func.instr(text + ".", ".")
    parts = [func.substr(text, 1, point - 1)]
    parts += [func.substr(padded, point + 1 + at * _CHUNK, _CHUNK) for at in range(_CHUNKS)]
    return [func.sum(cast(part, BigInteger)) for part in parts]


def exact_cost(parts: Sequence[Any]) -> Decimal:
    """The sum that a row of `cost_sum` holds; 0 where there was nothing to add."""
    if len(parts) == 1:
        return _plain(Decimal(parts[0] or 0))
    total = 0
    for part in parts:
        total = total * 10**_CHUNK + int(part or 0)
    return _plain(Decimal(f"{total}E-{_CHUNK * _CHUNKS}"))


def _plain(value: Decimal) -> Decimal:
    """Without zeros at the end, and never rounded, as `normalize` would."""
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
