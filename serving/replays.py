"""Cases that went wrong once, asked again of a release before it is promoted."""

from typing import NamedTuple

from sqlalchemy import String, cast, func
from sqlmodel import Session, col, select

from core.canonical import content_hash
from core.database import Database
from core.names import split_ref
from evalsets.datasets import service as datasets
from evalsets.models import Run
from evalsets.runs import service as runs
from evalsets.runs.arm_report import arm_reports
from evalsets.runs.request import RunRequest
from evalsets.statistics.quantiles import Interval
from serving.as_model import freeze_apps
from serving.gates import Candidate, whole_arms
from serving.models import App
from serving.service import operations_of
from serving.settings import FailedSet

_LOOK_BACK = 50
_GIVEN_UP = ("cancelled", "failed")


class Replay(NamedTuple):
    """What a release made of the failed set; `done` is whether every case was asked.

    `scores` are means by evaluator, null where nothing was scored. `share` is that of answers
    whose labels are known, `rated` of them.
    """

    run: str
    status: str
    dataset: str
    cases: int
    failed: int
    scores: dict[str, float | None]
    share: float | None
    share_ci95: Interval | None
    rated: int

    @property
    def done(self) -> bool:
        return self.status == "completed"


def failed_set(app: App) -> FailedSet | None:
    """The set that is replayed before a promotion, if the app has one."""
    return operations_of(app).failed_set


def start(
    database: Database, actor: str, release: Candidate, failed: FailedSet, *, here: bool = False
) -> str:
    """Ask the release the failed set; the id of the run, the same for the same question."""
    with database.read_scope() as session:
        dataset = datasets.get(session, *split_ref(failed.dataset))
        ref = f"{dataset.name}@{dataset.version}"
        asked = [release.app, release.number, release.hash, ref, failed.evaluators]
        key = _key(session, content_hash(asked))
    request = RunRequest(
        apps=(f"{release.app}@{release.number}",),
        dataset=ref,
        evaluators=failed.evaluators,
        title=f"{release.app}@{release.number}: {ref}",
        idempotency_key=key,
    )
    return runs.start(database, actor, request, freeze_apps, here=here).run_id


def _key(session: Session, asked: str) -> str:
    """One key for a question until its run was given up; then the next one."""
    ended = select(func.count()).where(
        col(Run.idempotency_key).startswith(f"replay:{asked}:"), col(Run.status).in_(_GIVEN_UP)
    )
    return f"replay:{asked}:{session.exec(ended).one()}"


def find(session: Session, release: Candidate, failed: FailedSet) -> Replay | None:
    """The newest run of the release over the failed set as it is now; raises NotFound."""
    dataset = datasets.get(session, *split_ref(failed.dataset))
    named = cast(col(Run.manifest), String).contains(release.manifest.prompt.hash)
    query = select(Run).where(
        named, Run.dataset == dataset.name, Run.dataset_version == dataset.version
    )
    for run in session.exec(query.order_by(col(Run.id).desc()).limit(_LOOK_BACK)).all():
        arms = whole_arms(session, run, release)
        if arms and run.status not in _GIVEN_UP:
            return _read(session, run, arms[0])
    return None


def _read(session: Session, run: Run, arm: str) -> Replay:
    report = next(one for one in arm_reports(session, run.id) if one.arm == arm)
    labels = report.labels
    return Replay(
        run=run.id,
        status=run.status,
        dataset=f"{run.dataset}@{run.dataset_version}",
        cases=report.cells,
        failed=report.failed,
        scores={name: score.mean for name, score in report.scores.items()},
        share=labels.share,
        share_ci95=labels.ci95,
        rated=labels.good + labels.bad,
    )
