"""`promptstone verdict`."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.gating import check, parsed
from app.cli.group import new_group
from app.cli.show import Json, percent, print_json, print_table, say

if TYPE_CHECKING:
    from evalsets.quantiles import Interval
    from evalsets.verdicts import RunVerdict

commands = new_group()


@commands.command()
def verdict(
    run: Annotated[str, typer.Argument(metavar="ID", help="The run.")],
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM", help="Compare with this arm [the first].")
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="label|preference|EVALUATOR", help="What decides.")
    ] = "label",
    resolution: Annotated[
        float | None, typer.Option(min=0.001, max=1, help="The difference that matters [0.10].")
    ] = None,
    gate: Annotated[list[str], typer.Option(metavar="EXPR", help="share_good>=0.8")] = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Which arm is better, in words, with the figures behind them; 100 when a gate fails."""
    from evalsets.verdict_json import verdict_json
    from evalsets.verdicts import record_look
    from evalsets.verdicts import verdict as read

    gates = parsed(gate)
    with state.reading() as session:
        found = read(session, run, baseline=baseline, by=by, resolution=resolution)
    if json:
        print_json(verdict_json(found))
    else:
        _print(found)
    with state.writing() as session:
        record_look(session, found)
    check(run, gates)


def _print(found: "RunVerdict") -> None:
    print_table(
        ("arm", "n", "good", "share", "95 %", "rank"),
        ((a.arm, a.n, a.good, percent(a.share), _interval(a.ci95), a.rank) for a in found.arms),
    )
    print()
    print_table(
        ("candidate", "against", "pairs", "difference", "95 %", "p (adjusted)", "verdict"),
        (
            (
                c.candidate, c.baseline, c.n_pairs, _points(c.difference),
                _interval(c.difference_ci95, signed=True), c.p_adjusted, _word(c),
            )
            for c in found.comparisons
        ),
    )  # fmt: skip
    for warning in _warnings(found):
        say(warning)


def _word(comparison: object) -> str:
    word = getattr(comparison, "verdict", None)
    needed = getattr(comparison, "labels_needed", None)
    text = "–" if word is None else str(getattr(word, "value", word))
    return text + (f" (about {needed} more decide)" if needed else "")


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f} points"


def _interval(found: "Interval | tuple[float, float] | None", *, signed: bool = False) -> str:
    if found is None:
        return "–"
    low, high = (f"{100 * edge:{'+' if signed else ''}.1f}" for edge in found)
    return f"{low} … {high}"


def _warnings(found: "RunVerdict") -> list[str]:
    told: list[str] = []
    if found.looks > 1:
        told.append(f"Read at {found.looks} states of the labels.")
    if found.picked_by_hand:
        told.append("More than a tenth of the labels were picked by hand, outside a queue.")
    if found.annotators_agree_little:
        told.append("The annotators agree little: talk about the guidelines first.")
    return told
