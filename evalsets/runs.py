"""Runs as people ask for them: start, pause, resume, retry, cancel, list.

These take the database, because they read, render and plan before they write; each writes in one
short transaction. Who executes a run is told in `evalsets.worker`.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, literal, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core.clock import new_id
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from core.jobs import enqueue
from core.names import split_ref
from evalsets.doors import check_keys
from evalsets.evaluation import freeze_evaluators
from evalsets.ledger import ZERO
from evalsets.manifest import (
    FrozenPrompt,
    Manifest,
    build_arms,
    find_model,
    parse_binding,
)
from evalsets.models import Case, Cell, CellScore, Dataset, DatasetVersion, Run
from evalsets.ownership import KIND, End, leave, owned, settle
from evalsets.plan import Plan, make_plan
from prompts import service as prompts

OVER = ("completed", "cancelled", "failed")
MAX_CELLS = 2_000_000


class RunRequest(BaseModel):
    """What to run. `prompts` are NAME[@REF], `dataset` is NAME[@VERSION].

    A parameter that is given more than once makes an arm for each value. `mapping` holds
    `[PROMPT:]VARIABLE=COLUMN`. `evaluators` are kinds, `kind:argument`, or settings as in a file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: tuple[str, ...] = Field(min_length=1)
    models: tuple[str, ...] = Field(min_length=1)
    dataset: str
    repeats: int = Field(default=1, ge=1, le=1000)
    limit: int | None = Field(default=None, ge=1)
    params: tuple[tuple[str, Any], ...] = ()
    mapping: tuple[str, ...] = ()
    evaluators: tuple[str | dict[str, Any], ...] = ()
    concurrency: int | None = Field(default=None, ge=1, le=1024)
    budget: Decimal | None = Field(default=None, gt=0)
    cache: bool = True
    title: str = ""
    idempotency_key: str | None = None


class Draft(NamedTuple):
    """A run with all references resolved, not yet stored."""

    manifest: Manifest
    dataset: str
    version: int
    version_id: int
    cases: int


class Started(NamedTuple):
    """A run that exists now; `created` is False when the same key had made it before."""

    run_id: str
    created: bool
    plan: Plan


def resolve(session: Session, request: RunRequest) -> Draft:
    """Freeze everything that the request names."""
    dataset, version = _dataset(session, request.dataset)
    frozen = [_freeze_prompt(session, ref) for ref in request.prompts]
    models = [find_model(session, name) for name in request.models]
    bindings = [parse_binding(text) for text in request.mapping]
    manifest = Manifest(
        arms=build_arms(frozen, models, request.params, bindings),
        evaluators=freeze_evaluators(session, request.evaluators, models),
        repeats=request.repeats,
        limit=request.limit,
        concurrency=request.concurrency,
        cache=request.cache,
        dataset_hash=version.hash,
    )
    cases = min(version.cases, request.limit or version.cases)
    assert version.id is not None
    draft = Draft(manifest, dataset.name, version.number, version.id, cases)
    _check_size(draft)
    _check_priced(manifest, request.budget)
    return draft


def plan(database: Database, request: RunRequest) -> Plan:
    """The figures of `run start --plan`; nothing is started."""
    with database.read_scope() as session:
        draft = resolve(session, request)
    return make_plan(database, draft.manifest, draft.version_id)


def start(database: Database, actor: str, request: RunRequest, *, here: bool = False) -> Started:
    """Store a run and queue it. The same idempotency key gives the run that it made first.

    `here` says that this process will execute it if no worker lives.
    """
    with database.read_scope() as session:
        draft = resolve(session, request)
        check_keys(session, database.settings.data, draft.manifest, here=here)
        known = _by_key(session, request.idempotency_key)
    figures = make_plan(database, draft.manifest, draft.version_id)
    if known is not None:
        return Started(known, False, figures)
    try:
        with database.session_scope(actor) as session:
            known = _by_key(session, request.idempotency_key)
            if known is not None:
                return Started(known, False, figures)
            return Started(_store(session, actor, request, draft), True, figures)
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


def _store(session: Session, actor: str, request: RunRequest, draft: Draft) -> str:
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
    add_cells(session, run.id, draft.version_id, len(manifest.arms), manifest.repeats, draft.cases)
    enqueue(session, KIND, run.id)
    return run.id


def add_cells(
    session: Session, run_id: str, version_id: int, arms: int, repeats: int, cases: int
) -> None:
    """All cells, pending: `number` = (position × arms + arm) × repeats + repeat − 1."""
    columns = [
        "run_id",
        "number",
        "arm",
        "case_ref",
        "repeat",
        "state",
        "cached",
        "interrupted",
        "attempts",
    ]
    for arm in range(arms):
        for repeat in range(1, repeats + 1):
            number = (col(Case.position) * arms + arm) * repeats + (repeat - 1)
            rows = select(
                literal(run_id),
                number,
                literal(arm),
                col(Case.id),
                literal(repeat),
                literal("pending"),
                literal(False),
                literal(False),
                literal(0),
            ).where(Case.version_id == version_id, col(Case.position) < cases)
            session.connection().execute(insert(Cell).from_select(columns, rows))


def _dataset(session: Session, ref: str) -> tuple[Dataset, DatasetVersion]:
    name, wanted = split_ref(ref)
    dataset = session.exec(select(Dataset).where(Dataset.name == name)).first()
    if dataset is None:
        raise NotFound(
            f"There is no data set {name!r}. `promptstone dataset list` shows those there are.",
            param="dataset",
        )
    number = dataset.newest if wanted == "latest" else wanted
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id)
    if not str(number).isdecimal():
        raise Invalid(f"{wanted!r} is no version. Write {name}@NUMBER.", param="dataset")
    version = session.exec(query.where(DatasetVersion.number == int(number))).first()
    if version is None:
        raise NotFound(
            f"{name} has no version {number}; its newest is {dataset.newest}.", param="dataset"
        )
    return dataset, version


def _freeze_prompt(session: Session, text: str) -> FrozenPrompt:
    name, ref = split_ref(text)
    found = prompts.get(session, name, ref)
    return FrozenPrompt(
        name=found.name, version=found.version, hash=found.hash, content=found.content
    )


def _check_size(draft: Draft) -> None:
    cells = draft.cases * len(draft.manifest.arms) * draft.manifest.repeats
    if cells == 0:
        raise Invalid(f"{draft.dataset} has no cases. Push a file with rows.", param="dataset")
    if cells > MAX_CELLS:
        raise Invalid(
            f"The run would have {cells:,} cells, more than {MAX_CELLS:,}. Use --limit.",
            param="limit",
        )


def _check_priced(manifest: Manifest, budget: Decimal | None) -> None:
    if budget is None:
        return
    models = [arm.model for arm in manifest.arms]
    models += [one.judge.model for one in manifest.judges if one.judge is not None]
    unpriced = sorted({model.name for model in models if model is not None and not model.price})
    if unpriced:
        raise Invalid(
            f"A budget needs prices, and {', '.join(unpriced)} has none. Set --input-price and "
            "--output-price with `promptstone model add`, or start without --budget.",
            param="budget",
        )


# -- a run that exists -----------------------------------------------------------------------


def get_run(session: Session, run_id: str) -> Run:
    """The row of a run; raises NotFound."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id!r}. `promptstone run list` shows the runs.")
    return run


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


def resume(database: Database, actor: str, run_id: str, budget: Decimal | None = None) -> str:
    """Queue a paused, failed or unowned run again; returns the status after.

    A completed run stays as it is. `budget` is a new total; raises Invalid when it is not above
    what is spent.
    """
    with database.session_scope(actor) as session:
        run = _locked(session, run_id)
        if run.status == "cancelled":
            raise Conflict("A cancelled run is final. Start a new one: its answers are cached.")
        if budget is not None:
            _set_budget(run, budget)
        if run.status != "completed":
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
        unjudged = _forget_judge_errors(session, run_id)
        if again or unjudged or run.status != "completed":
            _queue(session, run)
        return again


def _forget_judge_errors(session: Session, run_id: str) -> int:
    """Judges that could not be asked are asked again; nonsense that one said stays."""
    run = get_run(session, run_id)
    names = [one.name for one in Manifest.model_validate(run.manifest).judges]
    gone = delete(CellScore).where(
        col(CellScore.run_id) == run_id,
        col(CellScore.evaluator).in_(names),
        col(CellScore.value).is_(None),
        col(CellScore.answer_id).is_(None),
    )
    return session.connection().execute(gone).rowcount


def _queue(session: Session, run: Run) -> None:
    run.wanted = None
    if run.status != "running":
        run.status, run.reason, run.ended_at = "queued", None, None
    session.add(run)
    session.flush()
    enqueue(session, KIND, run.id)


def _set_budget(run: Run, budget: Decimal) -> None:
    _check_priced(Manifest.model_validate(run.manifest), budget)
    spent = (run.cost or ZERO) + (run.judge_cost or ZERO)
    if budget <= spent:
        raise Invalid(
            f"The run has spent ${spent:f}. Give --budget a higher total.", param="budget"
        )
    run.budget = budget


def _locked(session: Session, run_id: str) -> Run:
    get_run(session, run_id)
    return session.exec(select(Run).where(Run.id == run_id).with_for_update()).one()


def _end_job(session: Session, run_id: str) -> None:
    from core.models import Job

    waiting = col(Job.kind) == KIND, col(Job.ref) == run_id, col(Job.state) == "queued"
    session.connection().execute(update(Job).where(*waiting).values(state="ended"))


def list_runs(
    session: Session, *, status: str | None = None, before: str | None = None, limit: int = 50
) -> list[Run]:
    """Newest first, from below id `before`."""
    query = select(Run).order_by(col(Run.id).desc()).limit(limit)
    if status is not None:
        query = query.where(Run.status == status)
    if before is not None:
        query = query.where(col(Run.id) < before)
    return list(session.exec(query))
