"""Gates: one figure of every arm against a bound, as a check for CI."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import eq, ge, gt, le, lt
from typing import Literal, NamedTuple, get_args

from core.errors import Invalid

Operator = Literal[">=", ">", "<=", "<", "=="]
Figure = int | float | Decimal | None

FIGURES = ("share_good", "errors", "p50_ms", "p95_ms", "cost_usd", "cost_per_good_usd")
"""Beside the mean of any evaluator, by its name."""

_COMPARE = {">=": ge, ">": gt, "<=": le, "<": lt, "==": eq}
_OPERATORS: dict[str, Operator] = {name: name for name in get_args(Operator)}
_GATE = re.compile(
    r"\s*([^\s<>=](?:[^<>=]*[^\s<>=])?)\s*(>=|<=|==|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*(%?)\s*"
)
_JOIN = re.compile(r"\s+and\s+|,")


@dataclass(frozen=True)
class Gate:
    """`figure` of an arm must stand in the relation `operator` to `bound`."""

    figure: str
    operator: Operator
    bound: Decimal

    def __str__(self) -> str:
        return f"{self.figure}{self.operator}{self.bound}"


class ArmFigures(NamedTuple):
    """An arm and what was measured of it; null where there is no value."""

    arm: str
    figures: Mapping[str, Figure]


class GateFailure(NamedTuple):
    """The arm that did not pass, and what it had instead."""

    arm: str
    gate: str
    value: Figure
    sentence: str


class GateResult(NamedTuple):
    """`holds` only if every arm passed every gate."""

    holds: bool
    failures: list[GateFailure]


def parse_gates(text: str) -> list[Gate]:
    """`share_good>=0.8`, several joined by `and` or a comma; `80%` is 0.8. Raises Invalid."""
    return [_parse(part) for part in _JOIN.split(text)]


def _parse(text: str) -> Gate:
    found = _GATE.fullmatch(text)
    if found is None:
        raise Invalid(
            f"{text.strip()[:80]!r} is no gate. Write FIGURE, one of >= > <= < ==, and a number, "
            "such as share_good>=0.8.",
            param="gate",
        )
    figure, operator, number, percent = found.groups()
    bound = Decimal(number) / 100 if percent else Decimal(number)
    return Gate(figure, _OPERATORS[operator], bound)


def check_gates(gates: Sequence[Gate], arms: Sequence[ArmFigures]) -> GateResult:
    """Every gate on every arm; a null figure fails, and so does a run without arms.

    Raises Invalid for a figure that no arm knows.
    """
    known = {name for arm in arms for name in arm.figures}
    for gate in gates:
        if arms and gate.figure not in known:
            raise Invalid(
                f"No arm has a figure {gate.figure!r}. Use one of: {', '.join(sorted(known))}.",
                param="gate",
            )
    failures = [
        failure for gate in gates for arm in arms if (failure := _failure(gate, arm)) is not None
    ]
    return GateResult(bool(arms) and not failures, failures)


def _failure(gate: Gate, arm: ArmFigures) -> GateFailure | None:
    value = arm.figures.get(gate.figure)
    if value is None:
        sentence = f"{arm.arm}: {gate.figure} has no value, so {gate} fails."
    elif _COMPARE[gate.operator](_exact(value), gate.bound):
        return None
    else:
        sentence = f"{arm.arm}: {gate.figure} is {_exact(value):f}, which fails {gate}."
    return GateFailure(arm.arm, str(gate), value, sentence)


def _exact(value: int | float | Decimal) -> Decimal:
    """Means of floats are off in the last digits; a bound must not be."""
    return value if isinstance(value, Decimal) else Decimal(repr(round(value, 12)))
