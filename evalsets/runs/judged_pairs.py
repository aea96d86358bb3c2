"""Which pairs of answers a pairwise judge can be asked about now."""

from collections.abc import Mapping, Sequence

from sqlalchemy import or_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from core.errors import Invalid
from evalsets.evaluators.pairwise import Pairwise
from evalsets.models import Answer, Cell, CellScore
from evalsets.runs.manifest import Manifest

NO_PARTNER = "the other arm has no answer to this case"


def base_arm(manifest: Manifest, settings: Pairwise) -> int:
    """Place of the arm that the others are compared with; raises Invalid."""
    names = [arm.name for arm in manifest.arms]
    if len(names) < 2:
        raise Invalid(
            "A pairwise judge compares arms, and this run has one. Add a prompt or a model, or "
            "use a judge.",
            param="evaluator",
        )
    if settings.against is None:
        return 0
    if settings.against not in names:
        known = "; ".join(map(repr, names))
        raise Invalid(
            f"The run has no arm {settings.against!r} to compare with. Choose one of {known}.",
            param="evaluator",
        )
    return names.index(settings.against)


def check_pairs(manifest: Manifest) -> None:
    """Refuse a pairwise judge that has nothing to compare."""
    for one in manifest.judges:
        if one.spec.get("kind") == "pairwise":
            base_arm(manifest, Pairwise.model_validate(one.spec))


def askable(
    session: Session, run_id: str, numbers: Sequence[int], base: int, evaluator: str
) -> Mapping[int, str]:
    """Unscored cells to the base arm's answer, where one of each pair is among `numbers`."""
    ours, theirs = aliased(Cell), aliased(Cell)
    seen = select(CellScore.cell).where(
        CellScore.run_id == run_id, CellScore.evaluator == evaluator
    )
    query = (
        select(col(ours.number), col(Answer.output))
        .join(
            theirs,
            (col(theirs.run_id) == col(ours.run_id))
            & (col(theirs.case_ref) == col(ours.case_ref))
            & (col(theirs.repeat) == col(ours.repeat)),
        )
        .join(Answer, col(Answer.id) == col(theirs.answer_id))
        .where(col(ours.run_id) == run_id, col(ours.arm) != base, col(theirs.arm) == base)
        .where(col(ours.state) == "succeeded", col(theirs.state) == "succeeded")
        .where(or_(col(ours.number).in_(numbers), col(theirs.number).in_(numbers)))
        .where(col(ours.number).not_in(seen))
        .order_by(col(ours.number))
    )
    return {number: output for number, output in session.exec(query)}  # noqa: C416 (typed rows)


def alone(session: Session, run_id: str, base: int, evaluator: str) -> list[int]:
    """Unscored answered cells whose base arm has failed."""
    ours, theirs = aliased(Cell), aliased(Cell)
    seen = select(CellScore.cell).where(
        CellScore.run_id == run_id, CellScore.evaluator == evaluator
    )
    query = (
        select(col(ours.number))
        .join(
            theirs,
            (col(theirs.run_id) == col(ours.run_id))
            & (col(theirs.case_ref) == col(ours.case_ref))
            & (col(theirs.repeat) == col(ours.repeat)),
        )
        .where(col(ours.run_id) == run_id, col(ours.arm) != base, col(theirs.arm) == base)
        .where(col(ours.state) == "succeeded", col(theirs.state) == "failed")
        .where(col(ours.number).not_in(seen))
    )
    return list(session.exec(query))
