"""Everything that a report of a run says, read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from sqlmodel import Session, col, select

from app.telling.points import MOST_ARMS
from core.database import Database
from evalsets.labels.state import label_state
from evalsets.models import Answer, Cell, Run
from evalsets.runs.arm_report import ArmReport, arm_reports
from evalsets.runs.cells import load_cells
from evalsets.runs.latency import latency_points
from evalsets.runs.manifest import Manifest
from evalsets.runs.rows import Row, run_rows
from evalsets.verdicts import service as verdicts
from evalsets.verdicts.deciding import Deciding, what_decides
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.scored_arms import evaluators_of
from evalsets.verdicts.service import RunVerdict
from evalsets.verdicts.slices import Slice, slices
from evalsets.verdicts.steadiness import Steadiness, steadiness
from evalsets.verdicts.values import values_by

MOST_PAIRS = 20
MOST_CELLS = 2_000


class Pair(NamedTuple):
    """A pair that decides, with both answers; None has none."""

    told: Deciding
    baseline_output: str | None
    candidate_output: str | None


class Decides(NamedTuple):
    """Of one candidate against the baseline: the pairs shown, and how many there are."""

    candidate: str
    shown: Sequence[Pair]
    candidate_better: int
    baseline_better: int


@dataclass(frozen=True)
class Report:
    """`latencies`: points of each arm's distribution, milliseconds and share; `cells` the first."""

    run: Run
    manifest: Manifest
    arms: Sequence[ArmReport]
    verdict: RunVerdict
    decides: Sequence[Decides]
    slices: Sequence[Slice]
    steady: Sequence[dict[str, Steadiness]]
    latencies: Sequence[Sequence[tuple[float, float]]]
    evaluators: Sequence[str]
    cells: Sequence[Row]


def read_report(database: Database, run_id: str) -> Report:
    """By labels where there are some, else by the run's first evaluator. Raises NotFound."""
    cells = list(islice(run_rows(database, run_id), MOST_CELLS))
    with database.read_scope() as session:
        loaded = load_cells(session, run_id)
        evaluators = evaluators_of(session, run_id)
        labeled = bool(label_state(session, run_id).votes)
        by = LABEL if labeled or not evaluators else evaluators[0]
        read = verdicts.verdict(session, run_id, by=by)
        values = values_by(session, loaded, by)
        base = loaded.arm_position(read.baseline)
        decides = [
            _decides(
                session, run_id, one.candidate,
                what_decides(loaded, values, base, loaded.arm_position(one.candidate)),
            )
            for one in read.comparisons[:MOST_ARMS]
        ]  # fmt: skip
        return Report(
            run=loaded.run,
            manifest=Manifest.model_validate(loaded.run.manifest),
            arms=arm_reports(session, run_id),
            verdict=read,
            decides=decides,
            slices=slices(session, loaded, values),
            steady=steadiness(session, run_id),
            latencies=[latency_points(session, run_id, arm) for arm in range(len(loaded.arms))],
            evaluators=evaluators,
            cells=cells,
        )


def _decides(session: Session, run_id: str, candidate: str, found: Sequence[Deciding]) -> Decides:
    shown = found[:MOST_PAIRS]
    numbers = [cell for one in shown for cell in (one.baseline_cell, one.candidate_cell)]
    query = select(Cell.number, Answer.output).join(Answer, col(Answer.id) == col(Cell.answer_id))
    query = query.where(Cell.run_id == run_id, col(Cell.number).in_(numbers))
    said: dict[int, str] = dict(session.connection().execute(query).all())  # pyright: ignore
    ours = sum(one.candidate_better for one in found)
    pairs = [Pair(one, said.get(one.baseline_cell), said.get(one.candidate_cell)) for one in shown]
    return Decides(candidate, pairs, ours, len(found) - ours)
