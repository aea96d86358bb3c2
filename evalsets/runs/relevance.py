"""What a run's evaluators read of its bases: the marks of people, and the texts of sources."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from core.database import Database
from evalsets.evaluators.subjects import Relevant
from evalsets.runs.manifest import Arm
from rag.found import found_chunks
from rag.marks import marks

Marks = Mapping[tuple[str, str], Sequence[Relevant]]
"""Relevant passages by (base id, query)."""


def read_marks(database: Database, arms: Sequence[Arm]) -> Marks:
    """What counts as relevant now in the bases of some arms."""
    bases = {arm.retrieval.base_id for arm in arms if arm.retrieval is not None}
    found: dict[tuple[str, str], list[Relevant]] = {}
    with database.read_scope() as session:
        for base in sorted(bases):
            for one in marks(session, base):
                if one.relevant:
                    passage = Relevant(one.document_id, one.document, one.start, one.end)
                    found.setdefault((base, one.query), []).append(passage)
    return found


def given_texts(
    session: Session, sources: Sequence[Sequence[Mapping[str, Any]]]
) -> Mapping[str, str]:
    """What models were given, by chunk; one that was removed meanwhile is missing."""
    chunks = dict.fromkeys(one["chunk_id"] for given in sources for one in given)
    return {key: chunk.given for key, chunk in found_chunks(session, list(chunks)).items()}
