"""How long the answers of an arm took, as points of their distribution."""

from sqlmodel import Session, col, select

from evalsets.models import Answer, Cell

_POINTS = 200


def latency_points(session: Session, run_id: str, arm: int) -> list[tuple[float, float]]:
    """Milliseconds and the share of answers that came within them, at most some 200 points.

    Answers out of the cache and those of unknown time are left out.
    """
    query = select(Answer.latency_ms).join(Cell, col(Cell.answer_id) == col(Answer.id))
    query = query.where(Cell.run_id == run_id, Cell.arm == arm, col(Cell.cached).is_(False))
    query = query.where(col(Answer.latency_ms).is_not(None)).order_by(col(Answer.latency_ms))
    values = [max(float(ms), 0.1) for (ms,) in session.connection().execute(query)]
    step = max(1, len(values) // _POINTS)
    places = sorted({*range(0, len(values), step), len(values) - 1}) if values else []
    return [(values[at], (at + 1) / len(values)) for at in places]
