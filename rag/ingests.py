"""Ingests as rows: start, follow, cancel; what their owner takes and how it leaves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from core import drafts
from core.audit import actor_of
from core.clock import utcnow
from core.errors import Conflict, NotFound
from core.jobs import Claim, check_fence, claim, enqueue, finish, release
from rag.models import Ingest, IngestItem, KnowledgeBase
from rag.parser_settings import BUILTIN, ParserSettings, check_parser, read_parser
from rag.service import LIVE, RECENT, get, lock
from rag.sources import Source

KIND = "ingest"


class Failure(NamedTuple):
    """A file that gave no document."""

    name: str
    state: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far an ingest has come; documents counted are those of the files read so far."""

    id: str
    kb: str
    kind: str
    state: str
    total: int
    done: int
    unchanged: int
    failed: int
    chunks: int
    embedded: int
    seconds: float
    snapshot: int | None
    error: str | None
    failures: tuple[Failure, ...]
    vanished: tuple[str, ...]
    created_at: datetime


def start_add(
    session: Session,
    kb: str,
    sources: Sequence[Source],
    *,
    form: str = "auto",
    meta: Mapping[str, Any] | None = None,
    gone: Sequence[str] = (),
    parser: ParserSettings = BUILTIN,
) -> Ingest:
    """Queue files for a base; `gone` are documents whose files have vanished, to be listed.

    Raises Unavailable for a parser that is not installed.
    """
    base = get(session, kb)
    check_parser(parser)
    ingest = Ingest(
        base_id=base.id,
        kind="add",
        form=form,
        meta=dict(meta or {}),
        settings={"parser": parser.model_dump(mode="json")},
        total=len(sources),
        actor=actor_of(session),
    )
    session.add(ingest)
    session.flush()
    for position, source in enumerate(sources):
        session.add(
            IngestItem(
                ingest_id=ingest.id,
                position=position,
                name=source.name,
                path=source.path,
                source=source.root,
            )
        )
    for position, name in enumerate(gone, len(sources)):
        session.add(
            IngestItem(ingest_id=ingest.id, position=position, name=name, path="", state="vanished")
        )
    enqueue(session, KIND, ingest.id)
    drafts.touch(session, RECENT, base.name, base.name)
    return ingest


def start_reindex(session: Session, kb: str, settings: Mapping[str, Any]) -> Ingest:
    """Queue a base's documents to be cleaned, cut and embedded anew; raises Conflict when busy.

    `settings` may hold `embedder`, `fingerprint`, `chunker` and `cleaning`; the base takes them
    when the new chunks are shown.
    """
    base = get(session, kb)
    if live_ingest(session, base.id) is not None:
        raise Conflict(f"{kb} is being filled. Wait until that has ended, then reindex it.")
    ingest = Ingest(
        base_id=base.id, kind="reindex", settings=dict(settings), actor=actor_of(session)
    )
    session.add(ingest)
    session.flush()
    enqueue(session, KIND, ingest.id)
    return ingest


def live_ingest(session: Session, base_id: str) -> Ingest | None:
    """The oldest ingest of a base that is queued or runs."""
    query = select(Ingest).where(Ingest.base_id == base_id, col(Ingest.state).in_(LIVE))
    return session.exec(query.order_by(col(Ingest.id))).first()


def retry_failed(session: Session, ingest_id: str) -> Ingest:
    """Queue the files of an ingest that failed once more; raises Conflict when there is none."""
    old = _get(session, ingest_id)
    base = lock(session, old.base_id)
    query = select(IngestItem).where(
        IngestItem.ingest_id == old.id, IngestItem.state == "failed", IngestItem.path != ""
    )
    failed = [Source(item.name, item.path, item.source) for item in session.exec(query)]
    if not failed:
        raise Conflict("No file of this ingest failed. Add the files that are missing.")
    parser = read_parser(old.settings.get("parser"))
    return start_add(session, base.name, failed, form=old.form, meta=old.meta, parser=parser)


def cancel(session: Session, ingest_id: str) -> None:
    """Ask an ingest to stop; what is read by then is kept and published."""
    ingest = _get(session, ingest_id)
    if ingest.state not in LIVE:
        raise Conflict("This ingest has ended. Nothing needs to be done.")
    ingest.wanted = "cancel"
    session.add(ingest)


def progress(session: Session, ingest_id: str) -> Progress:
    """Figures, failures by name, and documents whose files vanished."""
    ingest = _get(session, ingest_id)
    base = session.get_one(KnowledgeBase, ingest.base_id)
    query = select(IngestItem).where(
        IngestItem.ingest_id == ingest.id, col(IngestItem.state).in_(("failed", "vanished"))
    )
    items = list(session.exec(query.order_by(col(IngestItem.position))))
    return Progress(
        id=ingest.id,
        kb=base.name,
        kind=ingest.kind,
        state=ingest.state,
        total=ingest.total,
        done=ingest.done,
        unchanged=ingest.unchanged,
        failed=ingest.failed,
        chunks=ingest.chunks,
        embedded=ingest.embedded,
        seconds=ingest.seconds,
        snapshot=ingest.snapshot,
        error=ingest.error,
        failures=tuple(
            Failure(item.name, item.state, item.reason or "")
            for item in items
            if item.state == "failed"
        ),
        vanished=tuple(item.name for item in items if item.state == "vanished"),
        created_at=ingest.created_at,
    )


def recent(session: Session, base_id: str, limit: int = 5) -> list[str]:
    """Ids of a base's newest ingests."""
    query = select(Ingest.id).where(Ingest.base_id == base_id)
    return list(session.exec(query.order_by(col(Ingest.id).desc()).limit(limit)))


def _get(session: Session, ingest_id: str) -> Ingest:
    ingest = session.get(Ingest, ingest_id)
    if ingest is None:
        raise NotFound(f"There is no ingest {ingest_id!r}. `promptstone kb show NAME` lists them.")
    return ingest


# -- for the owner ---------------------------------------------------------------------------


def take(session: Session, owner: str, ingest_id: str, *, dead: bool = False) -> Claim | None:
    """Own an ingest; None while another one of its base runs, or somebody else has it."""
    ingest = _get(session, ingest_id)
    lock(session, ingest.base_id)
    first = live_ingest(session, ingest.base_id)
    if first is None or first.id != ingest.id:
        return None
    held = claim(session, KIND, owner, ref=ingest_id, dead=dead)
    if held is not None:
        ingest.state = "running"
        session.add(ingest)
    return held


def settle(session: Session, held: Claim, state: str, error: str | None = None) -> None:
    """Leave an ingest: `queued` gives it back, any other state ends it. Raises LostLease."""
    check_fence(session, held)
    ingest = _get(session, held.ref)
    ingest.state, ingest.error = state, error
    ingest.ended_at = None if state == "queued" else utcnow()
    session.add(ingest)
    session.flush()
    (release if state == "queued" else finish)(session, held)


def first_of_base(session: Session, ingest_id: str) -> str:
    """The ingest of the same base that comes before all others that wait, maybe itself."""
    first = live_ingest(session, _get(session, ingest_id).base_id)
    return ingest_id if first is None else first.id
