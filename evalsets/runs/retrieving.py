"""Passages for cells: searched beside the event loop and outside of transactions, then rendered."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.database import Database
from core.errors import NotFound, PromptstoneError
from evalsets.runs.manifest import Arm
from evalsets.runs.prepare import Rendered, Unrunnable, arender_requests, bound, render_requests
from rag.answer import Retrieval, Source, query_of, retrieve, with_passages
from rag.models import KnowledgeBase
from rag.searchers import searcher_of

KIND = "retrieval"
"""Why a cell failed whose passages could not be found."""
log = logging.getLogger("promptstone.runs")


class Grounded(NamedTuple):
    """A case with its passages; `sources` is None on an arm that reads from no base."""

    inputs: dict[str, Any]
    sources: tuple[Source, ...] | None = None


class Prepared(NamedTuple):
    """What a case becomes on an arm: the call, or why there is none, and what it was given."""

    request: Rendered
    sources: tuple[Source, ...] | None = None


def prepare_cases(
    database: Database, arm: Arm, cases: Sequence[Mapping[str, Any]]
) -> list[Prepared]:
    """The calls of some cases on an arm, in their order; a case that has none is a value."""
    found = with_context(database, arm, cases)
    return _prepared(found, render_requests(arm, _good(found)))


async def aprepare_cases(
    database: Database, arm: Arm, cases: Sequence[Mapping[str, Any]]
) -> list[Prepared]:
    """`prepare_cases` beside the event loop."""
    if arm.retrieval is None:
        return [Prepared(request) for request in await arender_requests(arm, cases)]
    found = await asyncio.to_thread(with_context, database, arm, cases)
    return _prepared(found, await arender_requests(arm, _good(found)))


def _good(found: Sequence[Grounded | Unrunnable]) -> list[dict[str, Any]]:
    return [one.inputs for one in found if isinstance(one, Grounded)]


def _prepared(
    found: Sequence[Grounded | Unrunnable], requests: Sequence[Rendered]
) -> list[Prepared]:
    made = iter(requests)
    return [
        Prepared(next(made), one.sources) if isinstance(one, Grounded) else Prepared(one)
        for one in found
    ]


def with_context(
    database: Database, arm: Arm, cases: Sequence[Mapping[str, Any]]
) -> list[Grounded | Unrunnable]:
    """Cases with the passages that their query finds; equal queries are searched once.

    A search that fails is that case's failure. Must not run on the event loop.
    """
    retrieval = arm.retrieval
    if retrieval is None:
        return [Grounded(dict(case)) for case in cases]
    found: dict[str, tuple[Source, ...] | Unrunnable] = {}
    grounded: list[Grounded | Unrunnable] = []
    for case in cases:
        query = query_of(bound(arm, case), retrieval)
        sources = found.get(query)
        if sources is None:
            sources = found[query] = _search(database, retrieval, query)
        if isinstance(sources, Unrunnable):
            grounded.append(sources)
        else:
            grounded.append(Grounded(with_passages(case, retrieval, sources), sources))
    return grounded


def _search(
    database: Database, retrieval: Retrieval, query: str
) -> tuple[Source, ...] | Unrunnable:
    try:
        return retrieve(searcher_of(database), _named(database, retrieval), query)
    except PromptstoneError as error:
        return Unrunnable(KIND, error.message)
    except Exception as error:  # a mistake of the search is this cell's, not the run's
        log.exception("a search of %s failed", retrieval.kb)
        return Unrunnable(
            KIND, f"{type(error).__name__}: {error}. `promptstone run retry` searches again."
        )


def _named(database: Database, retrieval: Retrieval) -> Retrieval:
    """The base that was meant, by its id: another one may have taken its name."""
    with database.read_scope() as session:
        base = session.get(KnowledgeBase, retrieval.base_id)
    if base is None:
        raise NotFound(
            f"The knowledge base {retrieval.kb} of this run has been removed. Start a new run with "
            "another base.",
            param="kb",
        )
    return retrieval.model_copy(update={"kb": base.name})
