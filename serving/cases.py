"""Calls of apps as cases of a data set: what was asked as inputs, what should be said as expected.

A client's messages stand where the app's prompt has a place for them: in its thread, or as the
question of a base; turns that only follow the prompt are the input `messages`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlmodel import Session, select

from core.database import Database
from evalsets.datasets.adding import NewCase
from serving.manifest import ReleaseManifest
from serving.models import AppRelease
from serving.trace_filters import TraceFilter
from serving.traces import TracePublic, iter_traces

MESSAGES = "messages"
TAG = "feedback"


def case_inputs(
    manifest: ReleaseManifest | None,
    inputs: Mapping[str, Any],
    given: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The inputs with which the app is asked the same again; as `preparing.filled` reads them."""
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in given]
    if not turns:
        return dict(inputs)
    retrieval = None if manifest is None else manifest.retrieval
    thread = None if manifest is None else manifest.thread
    if retrieval is not None and retrieval.query not in inputs and turns[-1]["role"] == "user":
        *earlier, last = turns
        asked = {**inputs, retrieval.query: last["content"]}
        if thread is not None:
            return {**asked, thread: earlier}
        if not earlier:
            return asked
    elif thread is not None and thread not in inputs:
        return {**inputs, thread: turns}
    return {**inputs, MESSAGES: turns}


class Releases:
    """Manifests of releases, read once each."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, int], ReleaseManifest | None] = {}

    def manifest(self, app_id: str, number: int) -> ReleaseManifest | None:
        """None for a release that is gone with its app."""
        key = (app_id, number)
        if key not in self._known:
            query = select(AppRelease.manifest).where(
                AppRelease.app_id == app_id, AppRelease.number == number
            )
            found = self._session.exec(query).first()
            self._known[key] = None if found is None else ReleaseManifest.model_validate(found)
        return self._known[key]


def trace_case(
    releases: Releases, found: TracePublic, expected: str | None = None
) -> NewCase | None:
    """The case of a call; None where what was said is not kept.

    Without `expected`: what a reviewer wrote, else what the last client did, else an answer that
    is rated good.
    """
    if found.content is None:
        return None
    row = found.row
    manifest = releases.manifest(row.app_id, row.release)
    tags = (TAG, row.app) if found.feedback or found.decision else (row.app,)
    wanted = expected or correction_of(found)
    if wanted is None and row.rating == "good":
        wanted = found.content.output
    inputs = case_inputs(manifest, found.content.inputs, found.content.given)
    return NewCase(inputs, wanted, tags, None, row.id)


def correction_of(found: TracePublic) -> str | None:
    """What should have been said: by the reviewer, else by the last client who wrote it."""
    if found.decision is not None and found.decision.correction:
        return found.decision.correction
    return next((one.correction for one in reversed(found.feedback) if one.correction), None)


class Gathered(NamedTuple):
    """Cases of calls, and how many calls had none because what was said is not kept."""

    cases: list[NewCase]
    without_content: int


def gather_cases(database: Database, asked: TraceFilter, limit: int) -> Gathered:
    """Cases of the newest calls that match, the oldest of them first; raises NotFound."""
    calls = list(iter_traces(database, asked, limit=limit))
    with database.read_scope() as session:
        releases = Releases(session)
        cases = [trace_case(releases, one) for one in reversed(calls)]
    kept = [case for case in cases if case is not None]
    return Gathered(kept, len(cases) - len(kept))
