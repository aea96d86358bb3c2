"""What the run pages read beside the services: one's own label, latencies, the rival's answer."""

from sqlmodel import Session, col, select

from evalsets.labels.service import newest_label
from evalsets.models import Answer, Cell, Run
from evalsets.runs.cells import arm_names

_POINTS = 200


def own_label(session: Session, run_id: str, number: int, annotator: str) -> str | None:
    """What this annotator said of a cell's output."""
    cell = session.get(Cell, (run_id, number))
    if cell is None or cell.item_key is None:
        return None
    found = newest_label(session, cell.item_key, annotator)
    return found.label if found is not None else None


def output_of_arm(session: Session, run: Run, number: int, arm: int) -> str | None:
    """The answer of another arm to the same case and repeat."""
    cell = session.get(Cell, (run.id, number))
    if cell is None or cell.arm == arm:
        return None
    rival = number + (arm - cell.arm) * run.repeats
    query = select(Answer.output).join(Cell, col(Cell.answer_id) == col(Answer.id))
    return session.exec(query.where(Cell.run_id == run.id, Cell.number == rival)).first()


def latencies(session: Session, run: Run) -> list[dict[str, object]]:
    """Points of each arm's distribution of latencies, at most 200 an arm: arm, ms, share."""
    query = select(Cell.arm, Answer.latency_ms).join(Answer, col(Cell.answer_id) == col(Answer.id))
    query = query.where(Cell.run_id == run.id, col(Cell.cached).is_(False))
    by_arm: dict[int, list[float]] = {}
    for arm, ms in session.execute(query.where(col(Answer.latency_ms).is_not(None))):
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
