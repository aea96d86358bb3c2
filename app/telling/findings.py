"""What a picture shows, in a sentence: its `alt=` and the line above it."""

from collections.abc import Sequence

from app.telling import figures
from app.telling.points import Point, Priced
from app.telling.words import Say
from evalsets.runs.arm_report import ArmReport
from evalsets.statistics.comparison import Comparison
from evalsets.verdicts.slices import Slice


def shares(say: Say, points: Sequence[Point]) -> str:
    """The highest share of good and the lowest, with their intervals."""
    best, least = (pick(points, key=lambda one: one.value) for pick in (max, min))
    if best.arm == least.arm or best.value == least.value:
        return say("findings.shares_same", value=_range(best), n=len(points))
    return say(
        "findings.shares", best=best.arm, value=_range(best), least=least.arm, other=_range(least)
    )


def _range(point: Point) -> str:
    return figures.between(point.value, (point.low, point.high))


def differences(say: Say, comparisons: Sequence[Comparison]) -> str:
    """Each difference, and whether its interval leaves out zero."""
    told: list[str] = []
    for one in comparisons:
        interval = one.difference_ci95
        if one.difference is None or interval is None:
            continue
        key = "clear" if interval.leaves_out(0) else "open"
        told.append(
            say(
                f"findings.difference_{key}", candidate=one.candidate, baseline=one.baseline,
                difference=figures.gap(say, one),
            )
        )  # fmt: skip
    return " ".join(told)


def cost(say: Say, rows: Sequence[Priced], best: Sequence[Priced]) -> str:
    """The cheapest arm, the best one, and which arms no other beats in both."""
    cheapest = min(rows, key=lambda one: one.cost)
    highest = max(rows, key=lambda one: one.share)
    return say(
        "findings.cost", cheapest=cheapest.arm, cost=figures.money(say, f"{cheapest.cost:.10f}"),
        best=highest.arm, share=figures.percent(highest.share),
        price=figures.money(say, f"{highest.cost:.10f}"), front="; ".join(one.arm for one in best),
    )  # fmt: skip


def latency(say: Say, arms: Sequence[ArmReport]) -> str:
    """Median of the quickest and of the slowest arm."""
    known = [(one.latency_ms.p50, one) for one in arms if one.latency_ms.p50 is not None]
    if not known:
        return say("findings.latency_none")
    quick, slow = (pick(known, key=lambda one: one[0]) for pick in (min, max))
    return say(
        "findings.latency", quick=quick[1].arm, quickest=figures.span(quick[0]),
        slow=slow[1].arm, slowest=figures.span(slow[0]), p95=figures.span(slow[1].latency_ms.p95),
    )  # fmt: skip


def slices(say: Say, found: Sequence[Slice]) -> str:
    """Where the lowest value is."""
    known = [(arm.share, one, arm) for one in found for arm in one.arms if arm.share is not None]
    _, part, arm = min(known, key=lambda one: one[0])
    shown = figures.arm_share(say, arm)
    return say("findings.slices", arm=arm.arm, part=part_name(say, part), share=shown)


def part_name(say: Say, part: Slice) -> str:
    """A tag by its name, a split with the word before it."""
    return say(f"verdict.slice_{part.kind}", name=part.name)
