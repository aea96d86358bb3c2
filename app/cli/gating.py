"""Gates at the end of a command: exit status 100 when one fails."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from app.cli import state
from app.cli.show import say

if TYPE_CHECKING:
    from evalsets.verdicts.gates import Gate

FAILED = 100


def parsed(texts: Sequence[str]) -> "list[Gate]":
    """The gates of all `--gate` options; raises Invalid before anything is done."""
    if not texts:
        return []
    from evalsets.verdicts.gates import parse_gates

    return [gate for text in texts for gate in parse_gates(text)]


def check(run_id: str, gates: "Sequence[Gate]") -> None:
    """Exit with 100, naming arm and figure, unless every arm of the run passes every gate."""
    if not gates:
        return
    from evalsets.runs.report import gate_figures
    from evalsets.verdicts.gates import check_gates

    with state.reading() as session:
        result = check_gates(gates, gate_figures(session, run_id))
    for failure in result.failures:
        say(failure.sentence)
    if not result.holds:
        raise typer.Exit(FAILED)
