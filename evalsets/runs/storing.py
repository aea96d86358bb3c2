"""A run as rows: with all its cells, queued."""

from typing import Any

from sqlalchemy import insert, literal, select
from sqlmodel import Session, col

from core import drafts
from core.clock import new_id
from core.jobs import enqueue
from evalsets.models import Case, Cell, Run
from evalsets.runs.manifest import Manifest
from evalsets.runs.ownership import KIND
from evalsets.runs.request import Draft, RunRequest


def store(session: Session, actor: str, request: RunRequest, draft: Draft) -> str:
    """Insert the run with all its cells and queue it; its id."""
    manifest = draft.manifest
    run = Run(
        id=new_id(),
        title=request.title,
        dataset=draft.dataset,
        dataset_version=draft.version,
        version_id=draft.version_id,
        repeats=manifest.repeats,
        manifest=manifest.model_dump(mode="json"),
        budget=request.budget,
        idempotency_key=request.idempotency_key,
        total=draft.cases * len(manifest.arms) * manifest.repeats,
        actor=actor,
    )
    session.add(run)
    session.flush()
    add_cells(session, run.id, draft.version_id, manifest, draft.cases)
    enqueue(session, KIND, run.id)
    drafts.touch(session, "run", run.id, run.title or f"{run.dataset}@{run.dataset_version}")
    return run.id


def add_cells(
    session: Session, run_id: str, version_id: int, manifest: Manifest, cases: int
) -> None:
    """All cells, pending: `number` = (position × arms + arm) × repeats + repeat − 1.

    The first `cases` cases of the manifest's split, or of all.
    """
    arms, repeats = len(manifest.arms), manifest.repeats
    wanted = [col(Case.version_id) == version_id]
    if manifest.split is not None:
        wanted.append(col(Case.split) == manifest.split)
    in_order = select(col(Case.position)).where(*wanted).order_by(col(Case.position))
    last = session.connection().execute(in_order.offset(cases - 1).limit(1)).scalar_one()
    for arm in range(arms):
        for repeat in range(1, repeats + 1):
            values: dict[str, Any] = {
                "run_id": literal(run_id),
                "number": (col(Case.position) * arms + arm) * repeats + (repeat - 1),
                "arm": literal(arm),
                "case_ref": col(Case.id),
                "repeat": literal(repeat),
                "state": literal("pending"),
                "cached": literal(False),
                "interrupted": literal(False),
                "attempts": literal(0),
            }
            rows = select(*values.values()).where(*wanted, col(Case.position) <= last)
            session.connection().execute(insert(Cell).from_select(list(values), rows))
