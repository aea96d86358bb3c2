"""Evidence for a promotion: which arms of a run are the release, and whether they pass a gate."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import String, cast
from sqlmodel import Session, col, select

from core.audit import record
from core.errors import Conflict, Invalid, NotFound
from core.names import split_ref
from evalsets.models import Run
from evalsets.runs.cells import arm_names, get_run
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.report import gate_figures
from evalsets.verdicts import promote as verdicts
from evalsets.verdicts.gates import Gate, GateResult, check_gates, parse_gates
from evalsets.verdicts.looks import LABEL
from rag.answer import Retrieval
from serving.aliases import promote
from serving.lookup import resolve
from serving.manifest import FrozenDoor, ReleaseManifest, sent
from serving.models import AppAliasMove

_LOOK_BACK = 200


class Candidate(NamedTuple):
    """A release that is to be promoted."""

    app: str
    number: int
    hash: str
    manifest: ReleaseManifest


def candidate(session: Session, name: str, ref: str | int) -> Candidate:
    """A release by number or alias; raises NotFound."""
    row = resolve(session, name, ref).release
    return Candidate(name, row.number, row.hash, ReleaseManifest.model_validate(row.manifest))


class RunGate(NamedTuple):
    """`RUN:EXPR` taken apart: the run that is asked, and what its figures must be."""

    run: str
    gates: tuple[Gate, ...]

    def __str__(self) -> str:
        return f"{self.run}:{', '.join(map(str, self.gates))}"


class Promotion(NamedTuple):
    """What came of it: no move where a gate failed, or where the alias stood so already."""

    move: AppAliasMove | None
    result: GateResult


def parse_gate(text: str) -> RunGate:
    """`01JD…:share_good>=0.8`; raises Invalid."""
    run, colon, expression = text.partition(":")
    if not colon or not run.strip() or not expression.strip():
        raise Invalid(
            f"{text.strip()[:80]!r} is no gate of a promotion. Write RUN:EXPR, as "
            "01JD…:share_good>=0.8, with the id that `promptstone run list` shows.",
            param="gate",
        )
    return RunGate(run.strip(), tuple(parse_gates(expression)))


def is_release(arm: Arm, release: ReleaseManifest) -> bool:
    """Whether an arm asked what the release asks: prompt, first model, parameters, passages.

    By content, never by names: an imported release may carry a name that is another prompt here.
    Guards, fallbacks and pinned answers are only in an arm that is the whole app.
    """
    if arm.prompt is None or arm.model is None:
        return False
    same_prompt = (
        arm.prompt.hash == release.prompt.hash or arm.prompt.content == release.prompt.content
    )
    asked = FrozenDoor(model=arm.model, params=arm.params)
    return (
        same_prompt
        and sent(asked) == sent(release.models[0])
        and _read(arm.retrieval) == _read(release.retrieval)
    )


def _read(retrieval: Retrieval | None) -> Retrieval | None:
    """Where passages come from, whoever asks."""
    return None if retrieval is None else retrieval.model_copy(update={"subject": None})


def arms_of(session: Session, release: Candidate, run_id: str) -> list[str]:
    """The arms of a completed run that are this release: the app itself, else what it asks.

    Raises NotFound, Conflict for a run that is not completed, Invalid where no arm is the release.
    """
    run = get_run(session, run_id)
    if run.status != "completed":
        raise Conflict(
            f"The run {run_id} is {run.status}, so its figures may still change. Let it complete, "
            "or name another run."
        )
    found = _matching(session, run, release)
    if not found:
        manifest = release.manifest
        prompt, read = manifest.prompt, manifest.retrieval
        base = "" if read is None else f" and the base {read.kb}@{read.snapshot}"
        raise Invalid(
            f"No arm of the run {run_id} is {release.app}@{release.number}, which asks "
            f"{prompt.name}@{prompt.version} on {manifest.models[0].model.name} with its own "
            f"parameters{base}. The run has {'; '.join(arm_names(run))}. Make a run with --app "
            f"{release.app}@{release.number}, or name another one.",
            param="gate",
        )
    return found


def _matching(session: Session, run: Run, release: Candidate) -> list[str]:
    arms = Manifest.model_validate(run.manifest).arms
    whole = whole_arms(session, run, release)
    return whole or [arm.name for arm in arms if is_release(arm, release.manifest)]


def whole_arms(session: Session, run: Run, release: Candidate) -> list[str]:
    """The arms of a run that are the release as a whole, with guards and fallbacks."""
    arms = run.manifest["arms"]
    named = [(str(arm["name"]), arm["app"]) for arm in arms if arm.get("app")]
    return [name for name, ref in named if _was(session, run, ref) == release.hash]


def _was(session: Session, run: Run, ref: str) -> str | None:
    """The hash of the release that an arm was; None if it is gone, or younger than the run."""
    try:
        found = resolve(session, *split_ref(ref)).release
    except NotFound:
        return None
    return found.hash if found.created_at <= run.created_at else None


def proving_runs(session: Session, release: Candidate, limit: int = 20) -> list[Run]:
    """Completed runs with an arm that is this release, newest first."""
    named = cast(col(Run.manifest), String).contains(release.manifest.prompt.hash)
    query = select(Run).where(named, Run.status == "completed").order_by(col(Run.id).desc())
    rows = session.exec(query.limit(_LOOK_BACK)).all()
    found = (run for run in rows if _matching(session, run, release))
    return [run for _, run in zip(range(limit), found, strict=False)]


def evidence_of(
    session: Session, release: Candidate, run_id: str, *, by: str = LABEL
) -> dict[str, Any]:
    """The run's verdict on the arm that is the release; reading it counts as a look."""
    arm = arms_of(session, release, run_id)[0]
    return verdicts.evidence_of(session, get_run(session, run_id), arm, by=by)


def check(session: Session, release: Candidate, run_id: str, gates: Sequence[Gate]) -> GateResult:
    """Every gate on every arm of the run that is the release; holds where there is no gate."""
    arms = arms_of(session, release, run_id)
    if not gates:
        return GateResult(True, [])
    return check_gates(gates, [one for one in gate_figures(session, run_id) if one.arm in arms])


def promote_on(
    session: Session,
    name: str,
    ref: str | int,
    alias: str,
    gate: RunGate,
    *,
    by: str = LABEL,
    canary: int | None = None,
    reason: str = "",
) -> Promotion:
    """Promote with a run as evidence, unless one of the gates fails; a refusal is audited."""
    release = candidate(session, name, ref)
    result = check(session, release, gate.run, gate.gates)
    evidence = {
        **evidence_of(session, release, gate.run, by=by),
        "gate": ", ".join(map(str, gate.gates)) or None,
        "holds": result.holds,
    }
    if result.holds:
        move = promote(
            session, name, release.number, alias, canary=canary, reason=reason, evidence=evidence
        )
        return Promotion(move, result)
    failed = [failure.sentence for failure in result.failures]
    detail = {"alias": alias, "release": release.number, "gate": str(gate)}
    record(session, "app.promote_refused", name, {**detail, "failures": failed})
    return Promotion(None, result)
