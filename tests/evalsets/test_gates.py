"""Gates hold only if every arm passes; nothing measured is nothing passed."""

from decimal import Decimal

import pytest

from core.errors import Invalid
from evalsets.verdicts.gates import ArmFigures, Figure, Gate, check_gates, parse_gates


def holds(text: str, **figures: Figure) -> bool:
    return check_gates(parse_gates(text), [ArmFigures("a", figures)]).holds


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("share_good>=0.8", Gate("share_good", ">=", Decimal("0.8"))),
        (" exact  >  .9 ", Gate("exact", ">", Decimal("0.9"))),
        ("errors==0", Gate("errors", "==", Decimal(0))),
        ("p95_ms<2000", Gate("p95_ms", "<", Decimal(2000))),
        ("cost_usd<=0.0012", Gate("cost_usd", "<=", Decimal("0.0012"))),
        ("share_good >= 80%", Gate("share_good", ">=", Decimal("0.8"))),
        ("my judge>=-1", Gate("my judge", ">=", Decimal(-1))),
    ],
)
def test_parse(text: str, gate: Gate) -> None:
    assert parse_gates(text) == [gate]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "share_good",
        "share_good=0.8",
        ">=0.8",
        "a>=b",
        "a>=nan",
        "a>=1 or b>=2",
        "a>=1,",
        "a>>1",
        "a>=1e999x",
    ],
)
def test_bad_gates(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_gates(text)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "value", "passes"),
    [
        ("x>=0.8", 0.8, True), ("x>=0.8", 0.7999, False), ("x>0.8", 0.8, False), ("x<2", 2, False),
        ("x<=2", 2, True), ("x==0", 0, True), ("x==0", 1, False), ("x<0.001", Decimal("0.000999"), True),
        ("x>=0.8", 0.1 + 0.7, True), ("x==0.3", 0.1 + 0.2, True), ("x>=0", None, False), ("x<=9", None, False),
    ],
)  # fmt: skip
def test_compare(text: str, value: Figure, passes: bool) -> None:
    assert holds(text, x=value) is passes


def test_every_arm_must_pass_and_failures_are_named() -> None:
    arms = [
        ArmFigures("news@1 | demo", {"share_good": 0.9, "errors": 0}),
        ArmFigures("news@2 | demo", {"share_good": 0.75, "errors": 0}),
        ArmFigures("news@3 | demo", {"share_good": None, "errors": 2}),
    ]
    result = check_gates(parse_gates("share_good>=0.8 and errors==0"), arms)
    assert not result.holds
    assert [(failure.arm, failure.gate, failure.value) for failure in result.failures] == [
        ("news@2 | demo", "share_good>=0.8", 0.75),
        ("news@3 | demo", "share_good>=0.8", None),
        ("news@3 | demo", "errors==0", 2),
    ]
    assert (
        result.failures[0].sentence
        == "news@2 | demo: share_good is 0.75, which fails share_good>=0.8."
    )
    assert check_gates(parse_gates("share_good>=0.8, errors==0"), arms[:1]).holds


def test_unknown_figures_and_no_arms() -> None:
    with pytest.raises(Invalid, match="Use one of: exact"):
        holds("similarity>=0.5", exact=1.0)
    assert not check_gates(parse_gates("errors==0"), []).holds
