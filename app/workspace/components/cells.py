"""The matrix of a run, a page at a time, and one cell whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from evalsets.cells import State
from evalsets.label_state import label_state
from evalsets.models import Answer, Attempt, Case, Cell, CellScore, Label, Run
from evalsets.run_cells import RunCell, arm_names, load_cells

ROWS = 50
_POINTS = 200


class Wanted(NamedTuple):
    """Which rows: filter, order, and the arm against which a loss is counted."""

    filter: str = "all"
    loss_first: bool = False
    base: int = 0


@dataclass(frozen=True)
class MatrixCell:
    """A cell as the matrix shows it; `mark` is good, bad, skip, failed, pending or empty."""

    number: int
    mark: str
    preview: str


@dataclass(frozen=True)
class MatrixRow:
    """One case and repeat; `cells` by arm, None where an arm has no such cell."""

    position: int
    case_id: str
    repeat: int
    cells: Sequence[MatrixCell | None]


@dataclass(frozen=True)
class MatrixPage:
    """`after` is the cursor of the next page, None on the last; `total` counts cases."""

    rows: Sequence[MatrixRow]
    after: int | None
    total: int


def matrix_page(session: Session, run: Run, wanted: Wanted, after: int = 0) -> MatrixPage:
    """Rows from cursor `after`: a place in the filtered, ordered list of cases."""
    positions = _positions(session, run, wanted)
    size = max(1, ROWS // run.repeats)
    chosen = positions[after : after + size]
    following = after + size if after + size < len(positions) else None
    return MatrixPage(_rows(session, run, chosen), following, len(positions))


def _positions(session: Session, run: Run, wanted: Wanted) -> Sequence[int]:
    arms = len(run.manifest["arms"])
    per_case = max(1, arms * run.repeats)
    if wanted.filter == "all" and not wanted.loss_first:
        query = select(Cell.number).where(Cell.run_id == run.id).order_by(col(Cell.number).desc())
        last = session.exec(query.limit(1)).first()
        return range(0 if last is None else last // per_case + 1)
    if wanted.filter == "failed" and not wanted.loss_first:
        query = select(Cell.number).where(Cell.run_id == run.id, Cell.state == "failed")
        numbers = session.exec(query.order_by(col(Cell.number)))
        return list(dict.fromkeys(number // per_case for number in numbers))
    states = label_state(session, run.id).states()
    groups: dict[int, list[RunCell]] = {}
    for row in load_cells(session, run.id).rows:
        groups.setdefault(row.number // per_case, []).append(row)
    kept = [place for place, rows in groups.items() if _passes(wanted.filter, rows, states)]
    if wanted.loss_first:
        kept.sort(key=lambda place: (-_loss(groups[place], states, wanted.base), place))
    return kept


def _passes(name: str, rows: Iterable[RunCell], states: Mapping[str, State]) -> bool:
    done = [row for row in rows if row.item_key is not None]
    if name == "failed":
        return any(row.state == "failed" for row in rows)
    if name == "different":
        repeats = {row.repeat for row in done}
        return any(len({r.item_key for r in done if r.repeat == one}) > 1 for one in repeats)
    if name == "unlabeled":
        return any(row.item_key not in states for row in done)
    if name == "highlighted":
        return any(states.get(row.item_key or "") is State.BAD for row in done)
    return True


def _loss(rows: Iterable[RunCell], states: Mapping[str, State], base: int) -> int:
    """How many good answers of the baseline stand beside a bad one of another arm."""
    said = {(row.arm, row.repeat): states.get(row.item_key or "") for row in rows}
    return sum(
        1
        for (arm, repeat), state in said.items()
        if arm != base and state is State.BAD and said.get((base, repeat)) is State.GOOD
    )


def _rows(session: Session, run: Run, positions: Sequence[int]) -> list[MatrixRow]:
    arms = len(run.manifest["arms"])
    per_case = max(1, arms * run.repeats)
    numbers = [p * per_case + place for p in positions for place in range(per_case)]
    query = (
        select(Cell.number, Cell.arm, Cell.repeat, Cell.state, Cell.preview, Cell.error,
               Cell.item_key, Case.case_id)
        .join(Case, col(Case.id) == col(Cell.case_ref))
        .where(Cell.run_id == run.id, col(Cell.number).in_(numbers))
    )  # fmt: skip
    marks = _marks(session, run.id, positions)
    found: dict[tuple[int, int], list[MatrixCell | None]] = {}
    names: dict[int, str] = {}
    for number, arm, repeat, state, preview, error, item, case_id in session.execute(query):
        place = number // per_case
        names[place] = case_id
        cells = found.setdefault((place, repeat), [None] * arms)
        mark = marks.get(item or "", "") if state == "succeeded" else state
        cells[arm] = MatrixCell(number, mark, (preview if state == "succeeded" else error) or "")
    order = {place: at for at, place in enumerate(positions)}
    return [
        MatrixRow(place, names[place], repeat, cells)
        for (place, repeat), cells in sorted(
            found.items(), key=lambda kv: (order[kv[0][0]], kv[0][1])
        )
    ]


def _marks(session: Session, run_id: str, positions: Sequence[int]) -> dict[str, str]:
    if not positions:
        return {}
    return {item: state.value for item, state in label_state(session, run_id).states().items()}


@dataclass(frozen=True)
class CellDetail:
    """A cell whole; `base` is the same case and repeat in the baseline's arm."""

    cell: Cell
    arm: str
    case: Case
    answer: Answer | None
    attempts: Sequence[Attempt]
    scores: Sequence[CellScore]
    labels: Sequence[Label]
    base_output: str | None


def cell_detail(session: Session, run: Run, number: int, base: int) -> CellDetail | None:
    """One cell with its answer, ledger, scores and labels."""
    cell = session.get(Cell, (run.id, number))
    if cell is None:
        return None
    case = session.get(Case, cell.case_ref)
    assert case is not None
    attempts = select(Attempt).where(Attempt.run_id == run.id, Attempt.cell == number)
    scores = select(CellScore).where(CellScore.run_id == run.id, CellScore.cell == number)
    labels = select(Label).where(Label.item_key == (cell.item_key or ""))
    return CellDetail(
        cell,
        arm_names(run)[cell.arm],
        case,
        session.get(Answer, cell.answer_id) if cell.answer_id else None,
        session.exec(attempts.order_by(col(Attempt.number))).all(),
        session.exec(scores.order_by(col(CellScore.evaluator))).all(),
        session.exec(labels.order_by(col(Label.id))).all(),
        _output(session, run.id, number + (base - cell.arm) * run.repeats),
    )


def _output(session: Session, run_id: str, number: int) -> str | None:
    query = select(Answer.output).join(Cell, col(Cell.answer_id) == col(Answer.id))
    return session.exec(query.where(Cell.run_id == run_id, Cell.number == number)).first()


def latencies(session: Session, run: Run) -> list[dict[str, object]]:
    """Points of each arm's distribution of latencies, at most 200 an arm: arm, ms, share."""
    query = select(Cell.arm, Answer.latency_ms).join(Answer, col(Cell.answer_id) == col(Answer.id))
    query = query.where(Cell.run_id == run.id, col(Answer.latency_ms).is_not(None))
    by_arm: dict[int, list[float]] = {}
    for arm, ms in session.execute(query):
        by_arm.setdefault(arm, []).append(ms)
    names = arm_names(run)
    points: list[dict[str, object]] = []
    for arm, values in sorted(by_arm.items()):
        values.sort()
        step = max(1, len(values) // _POINTS)
        for at in sorted({*range(0, len(values), step), len(values) - 1}):
            share = (at + 1) / len(values)
            points.append({"arm": names[arm], "ms": max(values[at], 0.1), "share": share})
    return points


def request_of(answer: Answer) -> Any:
    """The request as it was sent: text of JSON, empty for imported outputs."""
    return answer.request
