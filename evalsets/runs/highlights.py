"""Cells that people marked to be looked at."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from core.audit import actor_of
from core.errors import NotFound
from evalsets.models import Cell, Highlight


def toggle_highlight(session: Session, run_id: str, number: int) -> bool:
    """Mark a cell, or take its mark away; whether it is marked now. Raises NotFound."""
    if session.get(Cell, (run_id, number)) is None:
        raise NotFound(f"The run has no cell {number}. `promptstone run export` lists its cells.")
    found = session.get(Highlight, (run_id, number))
    if found is None:
        session.add(Highlight(run_id=run_id, cell=number, actor=actor_of(session)))
    else:
        session.delete(found)
    session.flush()
    return found is None


def highlighted(session: Session, run_id: str, numbers: Sequence[int]) -> frozenset[int]:
    """Those of these cells that are marked."""
    query = select(Highlight.cell).where(Highlight.run_id == run_id)
    return frozenset(session.exec(query.where(col(Highlight.cell).in_(numbers))))
