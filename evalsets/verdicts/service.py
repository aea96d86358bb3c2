"""The verdict of a run: its labels, scores or preferences through the figures and the words."""

from dataclasses import dataclass

from sqlmodel import Session

from core.canonical import content_hash
from core.errors import Conflict, Invalid
from evalsets.labels.agreement import ratings_of
from evalsets.labels.preferences import newest_preferences, preferences_hash
from evalsets.labels.queue_plan import check_resolution, extend_queue
from evalsets.labels.state import LabelState, label_state
from evalsets.models import Queue
from evalsets.runs.cells import RunCells, load_cells
from evalsets.statistics.agreement import LITTLE_AGREEMENT, krippendorff_alpha
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.preference import PositionOfJudge
from evalsets.statistics.verdict import ArmShare
from evalsets.statistics.verdict import verdict as compare_arms
from evalsets.statistics.words import RESOLUTION, Plan, Word
from evalsets.verdicts import looks
from evalsets.verdicts.by_preference import RankedByPreference, compare_preferences
from evalsets.verdicts.corrected import Corrected, corrected
from evalsets.verdicts.judged_pairs import judged_pairs, settings_of
from evalsets.verdicts.labeled_arms import cell_values
from evalsets.verdicts.looks import LABEL, PlanState, plan_state
from evalsets.verdicts.scored_arms import evaluators_of, score_values, scores_of

PREFERENCE = "preference"
PICKED_AT_MOST = 0.10


@dataclass(frozen=True)
class RunVerdict:
    """Shares, comparisons and words, with what a reader must know about the labels.

    `looks`: states of the labels at which it was read, this one included. `picked_by_hand`: more
    than a tenth of the labels were given outside a queue. `alpha_agreement`: Krippendorff's, of
    several annotators. `ranking` for preferences and judges of pairs; `position`
    and `unscored_pairs` of the latter; `corrected` for scores from 0 to 1.
    """

    run_id: str
    by: str
    baseline: str
    resolution: float
    arms: tuple[ArmShare, ...]
    comparisons: tuple[Comparison, ...]
    labels_hash: str
    looks: int
    plan: PlanState | None = None
    picked_by_hand: bool = False
    annotators: tuple[str, ...] = ()
    alpha_agreement: float | None = None
    ranking: RankedByPreference | None = None
    position: PositionOfJudge | None = None
    unscored_pairs: int = 0
    corrected: Corrected | None = None

    @property
    def annotators_agree_little(self) -> bool:
        """Alpha below 0.667, Krippendorff's own bound for tentative conclusions."""
        return self.alpha_agreement is not None and self.alpha_agreement < LITTLE_AGREEMENT

    @property
    def words(self) -> dict[str, Word | None]:
        """Candidate to word."""
        return {one.candidate: one.verdict for one in self.comparisons}


def verdict(
    session: Session,
    run_id: str,
    *,
    baseline: str | None = None,
    by: str = LABEL,
    resolution: float | None = None,
) -> RunVerdict:
    """Every arm against the baseline; reads only, so call `record_look` after showing it.

    `baseline`: an arm's name, default that of the plan, else the first arm. `by`: label,
    preference or an evaluator of the run. `resolution`: default that of the plan, else 0.10.
    Raises NotFound for the run, Invalid for an arm or an evaluator it does not have.
    """
    cells = load_cells(session, run_id)
    if baseline is not None:
        cells.arm_position(baseline)
    if resolution is not None:
        check_resolution(resolution)
    if by == LABEL:
        return _by_label(session, cells, baseline, resolution)
    if by == PREFERENCE:
        return _by_preference(session, cells, baseline, resolution or RESOLUTION)
    if settings_of(cells, by) is not None:
        return _by_judged_pairs(session, cells, by, baseline, resolution or RESOLUTION)
    return _by_score(session, cells, by, baseline, resolution or RESOLUTION)


def _by_label(
    session: Session, cells: RunCells, baseline: str | None, resolution: float | None
) -> RunVerdict:
    labels = label_state(session, cells.run.id)
    states = labels.states()
    plan = plan_state(session, cells.run.id, labels.hash)
    first = baseline or cells.arms[plan.baseline if plan else 0]
    wanted = resolution or (plan.resolution if plan else RESOLUTION)
    arms = {
        name: cell_values(rows, states)
        for name, rows in zip(cells.arms, cells.by_arm(), strict=True)
    }
    found = compare_arms(arms, first, resolution=wanted, plan=_plan(cells, plan, first))
    comparisons = found.comparisons
    if plan is not None and plan.decided:
        spent = compare_arms(arms, first, resolution=wanted, plan=plan.plan(spent=True))
        comparisons = tuple(
            later if later.candidate in plan.decided else now
            for now, later in zip(comparisons, spent.comparisons, strict=True)
        )
    return RunVerdict(
        run_id=cells.run.id,
        by=LABEL,
        baseline=first,
        resolution=wanted,
        arms=found.arms,
        comparisons=comparisons,
        labels_hash=labels.hash,
        looks=looks.count_looks(session, cells.run.id, LABEL, labels.hash),
        plan=plan,
        picked_by_hand=labels.picked > PICKED_AT_MOST * labels.count,
        annotators=tuple(labels.annotators),
        alpha_agreement=_alpha(labels),
    )


def _plan(cells: RunCells, plan: PlanState | None, baseline: str) -> Plan | None:
    """A baseline chosen after the fact is no part of the plan; with two arms it is the same."""
    if plan is None:
        return None
    declared = len(cells.arms) == 2 or baseline == cells.arms[plan.baseline]
    return plan.plan(spent=not declared)


def _alpha(labels: LabelState) -> float | None:
    if len(labels.annotators) < 2:
        return None
    return krippendorff_alpha(ratings_of(labels), "nominal")


def _by_score(
    session: Session, cells: RunCells, evaluator: str, baseline: str | None, resolution: float
) -> RunVerdict:
    scores = scores_of(session, cells.run.id, evaluator)
    if not scores:
        known = ", ".join([LABEL, PREFERENCE, *evaluators_of(session, cells.run.id)])
        raise Invalid(f"The run has no score {evaluator!r}. Choose one of: {known}.", param="by")
    arms = {
        name: score_values(rows, scores)
        for name, rows in zip(cells.arms, cells.by_arm(), strict=True)
    }
    found = compare_arms(arms, baseline, resolution=resolution)
    digest = content_hash(sorted(scores.items()))
    return RunVerdict(
        run_id=cells.run.id,
        by=evaluator,
        baseline=baseline or cells.arms[0],
        resolution=resolution,
        arms=found.arms,
        comparisons=found.comparisons,
        labels_hash=digest,
        looks=looks.count_looks(session, cells.run.id, evaluator, digest),
        corrected=corrected(session, cells, evaluator, baseline or cells.arms[0], resolution),
    )


def _by_preference(
    session: Session, cells: RunCells, baseline: str | None, resolution: float
) -> RunVerdict:
    rows = newest_preferences(session, cells.run.id)
    first = baseline or cells.arms[0]
    found = compare_preferences(cells, rows, first, resolution)
    digest = preferences_hash(rows)
    return RunVerdict(
        run_id=cells.run.id,
        by=PREFERENCE,
        baseline=first,
        resolution=resolution,
        arms=found.arms,
        comparisons=found.comparisons,
        labels_hash=digest,
        looks=looks.count_looks(session, cells.run.id, PREFERENCE, digest),
        annotators=tuple(sorted({key.annotator for key in rows})),
        ranking=found,
    )


def _by_judged_pairs(
    session: Session, cells: RunCells, evaluator: str, baseline: str | None, resolution: float
) -> RunVerdict:
    first = baseline or cells.arms[0]
    found = judged_pairs(session, cells, evaluator, first, resolution)
    digest = content_hash(sorted(found.scores.items()))
    return RunVerdict(
        run_id=cells.run.id,
        by=evaluator,
        baseline=first,
        resolution=resolution,
        arms=found.ranking.arms,
        comparisons=found.ranking.comparisons,
        labels_hash=digest,
        looks=looks.count_looks(session, cells.run.id, evaluator, digest),
        ranking=found.ranking,
        position=found.position,
        unscored_pairs=found.unscored,
    )


def record_look(session: Session, read: RunVerdict) -> None:
    """Remember that this verdict was read; a small write of its own after the reading.

    The first reading of a complete plan keeps its words: what comes later has α = 0.001, or
    0.01 after an extension.
    """
    looks.record(session, read.run_id, read.by, read.labels_hash)
    plan = read.plan
    if plan is not None and plan.complete and _declared_baseline(read, plan):
        looks.freeze(session, plan.queue_id, read.labels_hash, read.words)


def _declared_baseline(read: RunVerdict, plan: PlanState) -> bool:
    return [one.arm for one in read.arms][plan.baseline] == read.baseline


def extend_on_too_few(session: Session, run_id: str) -> Queue:
    """Extend a complete plan whose verdict is "too few labels" by the labels it needs.

    Raises Conflict when there is no plan, when it is not complete, when it has its words, and
    after three extensions.
    """
    read = verdict(session, run_id)
    if read.plan is None:
        raise Conflict("This run has no plan yet. Start labeling to make one.")
    if not read.plan.complete:
        raise Conflict(f"The plan still waits for {read.plan.lacking} labels. Give them first.")
    needed = [one.labels_needed or 0 for one in read.comparisons if one.verdict is Word.TOO_FEW]
    if not needed:
        raise Conflict("The verdict stands. A new run asks a new question.")
    record_look(session, read)
    return extend_queue(session, run_id, max(needed))
