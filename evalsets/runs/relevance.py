"""What a run's evaluators read of its bases: the marks of people, and the texts of sources."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from core.database import Database
from evalsets.evaluators.subjects import Passage, Relevant
from evalsets.runs.manifest import Arm
from evalsets.runs.prepare import bound
from rag.answer import query_of
from rag.found import found_chunks
from rag.marks import marks

Marks = Mapping[tuple[str, str], Sequence[Relevant]]
"""Relevant passages by (base id, query)."""


def read_marks(database: Database, arms: Sequence[Arm]) -> Marks:
    """What counts as relevant now in the bases of some arms."""
    with database.read_scope() as session:
        return marks_of(session, arms)


def marks_of(session: Session, arms: Sequence[Arm]) -> Marks:
    """The same in a session at hand."""
    bases = {arm.retrieval.base_id for arm in arms if arm.retrieval is not None}
    found: dict[tuple[str, str], list[Relevant]] = {}
    for base in sorted(bases):
        for one in marks(session, base):
            if one.relevant:
                passage = Relevant(one.document_id, one.document, one.start, one.end)
                found.setdefault((base, one.query), []).append(passage)
    return found


def relevant_to(arm: Arm, inputs: Mapping[str, Any], known: Marks) -> Sequence[Relevant]:
    """What counts as relevant for the query that an arm makes of a case."""
    if arm.retrieval is None or not known:
        return ()
    query = query_of(bound(arm, inputs), arm.retrieval).strip()
    return known.get((arm.retrieval.base_id, query), ())


def given_texts(
    session: Session, sources: Sequence[Sequence[Mapping[str, Any]]]
) -> Mapping[str, str]:
    """What models were given, by chunk; one that was removed meanwhile is missing."""
    chunks = dict.fromkeys(one["chunk_id"] for given in sources for one in given)
    return {key: chunk.given for key, chunk in found_chunks(session, list(chunks)).items()}


def passages_of(
    sources: Sequence[Mapping[str, Any]] | None, texts: Mapping[str, str]
) -> list[Passage]:
    """The sources whose texts are still there, as a judge reads them."""
    there = [one for one in sources or [] if one["chunk_id"] in texts]
    return [Passage(one["n"], one["document"], texts[one["chunk_id"]]) for one in there]
