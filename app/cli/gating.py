"""Gates at the end of a command: exit status 100 when one fails."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def check_names(gates: "Sequence[Gate]", evaluators: "Sequence[str | dict[str, Any]]") -> None:
    """Raise Invalid for a figure that a run with these evaluators will not have."""
    if not gates:
        return
    from evalsets.evaluators.specs import load_evaluator, named, parse_evaluator
    from evalsets.verdicts.gates import FIGURES, ArmFigures, check_gates

    given = [parse_evaluator(x) if isinstance(x, str) else load_evaluator(x) for x in evaluators]
    names = [one.name or "" for one in named(given)]
    known = dict.fromkeys((*FIGURES, "json_schema", *names))
    check_gates(gates, [ArmFigures("", known)])


def check_figures(run_id: str, gates: "Sequence[Gate]") -> None:
    """Raise Invalid for a figure that no arm of the run has, before anything is spent."""
    if not gates:
        return
    from evalsets.runs.report import gate_figures
    from evalsets.verdicts.gates import check_gates

    with state.reading() as session:
        check_gates(gates, gate_figures(session, run_id))


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
