"""A base as one JSON document: settings, figures, snapshots, the last ingests."""

from typing import Any

from sqlmodel import Session

from rag.access import rules
from rag.ingests import progress, recent
from rag.service import get
from rag.snapshots import get_snapshot, list_snapshots

_SNAPSHOTS_SHOWN = 20


def base_json(session: Session, name: str) -> dict[str, Any]:
    """What `kb show --json` prints; raises NotFound."""
    base = get(session, name)
    newest = get_snapshot(session, base)
    return {
        "name": base.name,
        "id": base.id,
        "description": base.description,
        "snapshot": base.snapshot,
        "documents": newest.documents,
        "chunks": newest.chunks,
        "embedder": base.embedder,
        "fingerprint": base.fingerprint,
        "chunker": base.chunker,
        "cleaning": base.cleaning,
        "retrieval": base.retrieval,
        "restricted": base.restricted,
        "access": {rule.subject: rule.allowed for rule in rules(session, base.id)},
        "snapshots": [
            {
                "number": one.number,
                "message": one.message,
                "documents": one.documents,
                "chunks": one.chunks,
                "at": one.at,
                "author": one.actor,
            }
            for one in list_snapshots(session, base.id)[:_SNAPSHOTS_SHOWN]
        ],
        "ingests": [_ingest(session, one) for one in recent(session, base.id)],
        "author": base.actor,
        "created_at": base.created_at,
        "updated_at": base.updated_at,
    }


def _ingest(session: Session, ingest_id: str) -> dict[str, Any]:
    found = progress(session, ingest_id)
    return {
        "id": found.id,
        "kind": found.kind,
        "status": found.state,
        "documents": found.done,
        "unchanged": found.unchanged,
        "failed": found.failed,
        "chunks": found.chunks,
        "seconds": found.seconds,
        "snapshot": found.snapshot,
        "error": found.error,
    }
