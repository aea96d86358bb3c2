"""How steady the arms of a run with repeats are: by labels and by every score of 0 or 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from evalsets.labels.state import label_state
from evalsets.runs.cells import RunCells, load_cells
from evalsets.statistics.cells import Cells, all_binary, values_by_case
from evalsets.statistics.repeats import Flicker, PassK, flicker, pass_k
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.scored_arms import evaluators_of
from evalsets.verdicts.values import values_by


@dataclass(frozen=True)
class Steadiness:
    """One arm by one figure; `passes` for every k from 1 that some case has cells for."""

    by: str
    passes: tuple[PassK, ...]
    flicker: Flicker

    @property
    def deepest(self) -> PassK:
        """pass@k and pass^k of the largest k."""
        return self.passes[-1]


def steadiness(session: Session, run_id: str) -> list[dict[str, Steadiness]]:
    """By figure (`label` or an evaluator) for every arm in the manifest's order.

    Empty for a run without repeats; graded scores, which are neither good nor bad, are left out.
    """
    cells = load_cells(session, run_id)
    if cells.run.repeats < 2:
        return [{} for _ in cells.arms]
    found: list[dict[str, Steadiness]] = [{} for _ in cells.arms]
    for by, arms in _figures(session, cells).items():
        for place, values in enumerate(arms):
            one = _of_arm(by, values_by_case(values), cells.run.repeats)
            if one is not None:
                found[place][by] = one
    return found


def _figures(session: Session, cells: RunCells) -> Mapping[str, Sequence[Cells]]:
    run_id = cells.run.id
    names = [LABEL] if label_state(session, run_id).votes else []
    values = {
        name: values_by(session, cells, name) for name in [*names, *evaluators_of(session, run_id)]
    }
    return {name: arms for name, arms in values.items() if all_binary(arms)}


def _of_arm(by: str, cases: Sequence[Sequence[float]], repeats: int) -> Steadiness | None:
    counts = [(len(case), int(sum(case))) for case in cases]
    deepest = min(repeats, max((n for n, _ in counts), default=0))
    if not deepest:
        return None
    passes = tuple(pass_k(counts, k) for k in range(1, deepest + 1))
    return Steadiness(by, passes, flicker(cases))
