"""`promptstone run compare`: what changed between two runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.show import Json, money, percent, print_json, print_table, say

if TYPE_CHECKING:
    from evalsets.statistics.quantiles import Interval
    from evalsets.verdicts.between_runs import ArmChange, BetweenRuns

_LISTED = 20


def compare(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The earlier run.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The later run, same data set.")],
    by: Annotated[
        str | None,
        typer.Option(
            metavar="label|EVALUATOR", help="What tells good [labels, if both have some]."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Arm by arm the difference with its interval, and what is newly failing or newly good."""
    from evalsets.verdicts.between_json import between_json
    from evalsets.verdicts.between_runs import compare_runs

    with state.reading() as session:
        found = compare_runs(session, before, after, by)
        document = between_json(found)
    if json:
        print_json(document)
    else:
        _print(found)


def _print(found: "BetweenRuns") -> None:
    print_table(
        ("arm", "before", "after", "pairs", "difference", "95 %", "p (adjusted)", "newly failing",
         "newly good", "p50 ms", "cost"),
        (_arm(one) for one in found.arms),
    )  # fmt: skip
    listed = [
        (one.name, "newly failing" if cell.is_worse else "newly good", cell.case_id, cell.repeat,
         cell.before_cell, cell.after_cell)
        for one in found.arms
        for cell in (*one.worse[:_LISTED], *one.better[:_LISTED])
    ]  # fmt: skip
    if listed:
        print()
        print_table(("arm", "change", "case", "repeat", "cell before", "cell after"), listed)
    for sentence in _notes(found):
        say(sentence)


def _arm(one: "ArmChange") -> tuple[object, ...]:
    from app.cli.verdict_text import points

    told = one.comparison
    return (
        one.name, percent(one.before_share.share), percent(one.after_share.share), told.n_pairs,
        points(told.difference), _interval(told.difference_ci95), told.p_adjusted,
        len(one.worse), len(one.better),
        f"{_ms(one.before.latency_ms.p50)} → {_ms(one.after.latency_ms.p50)}",
        f"{money(one.before.cost)} → {money(one.after.cost)}",
    )  # fmt: skip


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _interval(found: "Interval | None") -> str:
    return "–" if found is None else f"{100 * found.low:+.1f} … {100 * found.high:+.1f}"


def _notes(found: "BetweenRuns") -> list[str]:
    told = [
        f"By {found.by}; {found.cases} cases in both runs, {found.cases_only_before} only before, "
        f"{found.cases_only_after} only after."
    ]
    alone = (("before", found.only_before), ("after", found.only_after))
    told += [f"Only {when}: {', '.join(names)}." for when, names in alone if names]
    if found.evaluator_changed:
        told.append(
            f"The evaluator {found.by!r} had other settings before, so its scores may differ for "
            "that reason alone."
        )
    return told
