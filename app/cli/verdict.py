"""`promptstone verdict`."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import state
from app.cli.gating import check, parsed
from app.cli.group import new_group
from app.cli.show import Json, percent, print_json, print_table, say

if TYPE_CHECKING:
    from evalsets.statistics.quantiles import Interval
    from evalsets.verdicts.service import RunVerdict

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
    from evalsets.verdicts.as_json import verdict_json
    from evalsets.verdicts.service import record_look
    from evalsets.verdicts.service import verdict as read

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
    from app.cli.verdict_text import notes, points, word

    print_table(
        ("arm", "n", "good", "share", "95 %", "rank"),
        ((a.arm, a.n, a.good, percent(a.share), _interval(a.ci95), a.rank) for a in found.arms),
    )
    print()
    print_table(
        ("candidate", "against", "pairs", "difference", "95 %", "p (adjusted)", "verdict"),
        (
            (
                c.candidate, c.baseline, c.n_pairs, points(c.difference),
                _interval(c.difference_ci95, signed=True), c.p_adjusted, word(c, found.by),
            )
            for c in found.comparisons
        ),
    )  # fmt: skip
    for note in notes(found):
        say(note)


def _interval(found: "Interval | tuple[float, float] | None", *, signed: bool = False) -> str:
    if found is None:
        return "–"
    low, high = (f"{100 * edge:{'+' if signed else ''}.1f}" for edge in found)
    return f"{low} … {high}"
