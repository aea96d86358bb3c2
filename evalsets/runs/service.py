"""Runs as people ask for them: start, pause, resume, retry, cancel, list.

These take the database, because they read, render and plan before they write; each writes in one
short transaction. Who executes a run is told in `evalsets.runs.worker`.
"""

from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core.database import Database
from core.errors import Conflict, Invalid
from core.jobs import enqueue
from core.models import Job
from evalsets.models import Cell, CellScore, Run
from evalsets.runs.admission import JUDGES_SPENT
from evalsets.runs.cells import get_run
from evalsets.runs.doors import check_keys
from evalsets.runs.ledger import ZERO
from evalsets.runs.manifest import Manifest
from evalsets.runs.ownership import KIND, End, leave, owned, settle
from evalsets.runs.plan import Plan, make_plan
from evalsets.runs.priced import check_judges_priced, check_priced
from evalsets.runs.request import FreezeApps, RunRequest, fit, resolve
from evalsets.runs.storing import store

OVER = ("completed", "cancelled", "failed")
STATES = ("queued", "running", "paused", *OVER)


class Started(NamedTuple):
    """A run that exists now; `created` is False when the same key had made it before."""

    run_id: str
    created: bool
    plan: Plan


def plan(database: Database, request: RunRequest, freeze_apps: FreezeApps | None = None) -> Plan:
    """The figures of `run start --plan`; nothing is started."""
    with database.read_scope() as session:
        draft = resolve(session, request, freeze_apps)
    draft = fit(draft)
    return make_plan(database, draft.manifest, draft.version_id)


def start(
    database: Database,
    actor: str,
    request: RunRequest,
    freeze_apps: FreezeApps | None = None,
    *,
    here: bool = False,
) -> Started:
    """Store a run and queue it. The same idempotency key gives the run that it made first.

    `here` says that this process will execute it if no worker lives.
    """
    with database.read_scope() as session:
        draft = resolve(session, request, freeze_apps)
        check_keys(session, database.settings.data, draft.manifest, here=here)
        known = _by_key(session, request.idempotency_key)
    draft = fit(draft)
    figures = make_plan(database, draft.manifest, draft.version_id)
    if known is not None:
        return Started(known, False, figures)
    try:
        with database.session_scope(actor) as session:
            known = _by_key(session, request.idempotency_key)
            if known is not None:
                return Started(known, False, figures)
            return Started(store(session, actor, request, draft), True, figures)
    except IntegrityError:
        with database.read_scope() as session:
            known = _by_key(session, request.idempotency_key)
        if known is None:
            raise
        return Started(known, False, figures)


def _by_key(session: Session, key: str | None) -> str | None:
    if key is None:
        return None
    return session.exec(select(Run.id).where(Run.idempotency_key == key)).first()


# -- a run that exists -----------------------------------------------------------------------


def pause(database: Database, actor: str, run_id: str) -> str:
    """Send nothing new; returns the status after, `running` while calls are still in flight."""
    return _ask(database, actor, run_id, "pause", End("paused", "command"))


def cancel(database: Database, actor: str, run_id: str) -> str:
    """End a run for good; what is in flight is kept."""
    return _ask(database, actor, run_id, "cancel", End("cancelled", "command"))


def _ask(database: Database, actor: str, run_id: str, wanted: str, end: End) -> str:
    with database.session_scope(actor) as session:
        run = _locked(session, run_id)
        if run.status in OVER:
            if run.status == end.status:
                return run.status
            raise Conflict(f"The run is {run.status} already. Nothing is left to {wanted}.")
        if run.status == "paused":
            if end.status == "cancelled":
                settle(session, run, end.status, end.reason)
                _end_job(session, run_id)
            return run.status
        run.wanted = wanted
        session.add(run)
    # A run without a live owner is ended here, as its owner would have.
    with owned(database, run_id=run_id) as mine:
        if mine is not None:
            leave(database, mine.claim, end)
    with database.read_scope() as session:
        return get_run(session, run_id).status


def resume(
    database: Database,
    actor: str,
    run_id: str,
    budget: Decimal | None = None,
    judge_budget: Decimal | None = None,
) -> str:
    """Queue a paused, failed or unowned run again; returns the status after.

    A completed run stays as it is. `budget` is a new total; raises Invalid when it is not above
    what is spent. `judge_budget` is one for the judges, which are then asked what they were not.
    """
    with database.session_scope(actor) as session:
        run = _locked(session, run_id)
        if run.status == "cancelled":
            raise Conflict("A cancelled run is final. Start a new one: its answers are cached.")
        if budget is not None:
            _set_budget(run, budget)
        unjudged = 0 if judge_budget is None else _set_judge_budget(session, run, judge_budget)
        if run.status != "completed" or unjudged:
            _queue(session, run)
        return run.status


def retry(database: Database, actor: str, run_id: str) -> int:
    """Queue the failed cells of a run once more; returns how many cells will be sent again.

    Their old errors stand until they succeed. Raises Conflict while somebody works on the run.
    """
    with owned(database, run_id=run_id) as mine:
        if mine is not None:
            leave(database, mine.claim, End("paused", "command"))
    with database.session_scope(actor) as session:
        run = _locked(session, run_id)
        if run.status == "running":
            raise Conflict(
                "The run is going on. Retry when it has ended, or pause it first with "
                f"`promptstone run pause {run_id}`."
            )
        if run.status == "cancelled" or run.imported:
            raise Conflict("This run sends nothing any more. Start a new one.")
        failed = col(Cell.run_id) == run_id, col(Cell.state) == "failed"
        cells = session.connection().execute(update(Cell).where(*failed).values(state="pending"))
        again = cells.rowcount
        run.failed -= again
        unjudged = _forget_judge_errors(session, run)
        if again or unjudged or run.status != "completed":
            _queue(session, run)
        return again


def _forget_judge_errors(session: Session, run: Run, reason: str | None = None) -> int:
    """Judges that could not be asked, for `reason`, are asked again; their nonsense stays."""
    names = [one.name for one in Manifest.model_validate(run.manifest).judges]
    gone = delete(CellScore).where(
        col(CellScore.run_id) == run.id,
        col(CellScore.evaluator).in_(names),
        col(CellScore.value).is_(None),
        col(CellScore.answer_id).is_(None),
    )
    if reason is not None:
        gone = gone.where(col(CellScore.reason) == reason)
    return session.connection().execute(gone).rowcount


def _queue(session: Session, run: Run) -> None:
    run.wanted = None
    if run.status != "running":
        run.status, run.reason, run.ended_at = "queued", None, None
    session.add(run)
    session.flush()
    enqueue(session, KIND, run.id)


def _set_budget(run: Run, budget: Decimal) -> None:
    check_priced(Manifest.model_validate(run.manifest), budget)
    spent = (run.cost or ZERO) + (run.judge_cost or ZERO)
    if budget <= spent:
        raise Invalid(
            f"The run has spent ${spent:f}. Give --budget a higher total.", param="budget"
        )
    run.budget = budget


def _set_judge_budget(session: Session, run: Run, budget: Decimal) -> int:
    """How many scores are asked for again."""
    manifest = Manifest.model_validate(run.manifest)
    check_judges_priced(manifest, budget)
    if run.status == "running":
        raise Conflict(
            "The run is going on. Pause it, then resume it with another budget of the judges."
        )
    spent = run.judge_cost or ZERO
    if budget <= spent:
        raise Invalid(
            f"The judges have spent ${spent:f}. Give --judge-budget a higher total.",
            param="judge_budget",
        )
    run.manifest = {**run.manifest, "judge_budget": f"{budget:f}"}
    return _forget_judge_errors(session, run, JUDGES_SPENT)


def _locked(session: Session, run_id: str) -> Run:
    get_run(session, run_id)
    return session.exec(select(Run).where(Run.id == run_id).with_for_update()).one()


def _end_job(session: Session, run_id: str) -> None:
    waiting = col(Job.kind) == KIND, col(Job.ref) == run_id, col(Job.state) == "queued"
    session.connection().execute(update(Job).where(*waiting).values(state="ended"))


def list_runs(
    session: Session,
    *,
    status: str | None = None,
    dataset: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Run]:
    """Newest first, from below id `before`; raises Invalid for a state that does not exist."""
    query = select(Run).order_by(col(Run.id).desc()).limit(limit)
    if status is not None:
        if status not in STATES:
            raise Invalid(f"There is no state {status[:40]!r}. Choose one of {', '.join(STATES)}.")
        query = query.where(Run.status == status)
    if dataset is not None:
        query = query.where(Run.dataset == dataset)
    if before is not None:
        query = query.where(col(Run.id) < before)
    return list(session.exec(query))
