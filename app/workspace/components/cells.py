"""What the run pages read beside the services: one's own label, the rival's answer."""

from sqlmodel import Session, col, select

from evalsets.labels.service import newest_label
from evalsets.models import Answer, Cell, Run


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
