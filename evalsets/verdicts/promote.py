"""Move a prompt's alias to the version of an arm, with the verdict attached as evidence."""

from typing import Any

from sqlmodel import Session, col, select

from core.errors import Invalid
from evalsets.models import Case, Cell, Run
from evalsets.runs.cells import arm_names, arm_position, get_run
from evalsets.verdicts.as_json import verdict_json
from evalsets.verdicts.looks import LABEL
from evalsets.verdicts.service import record_look, verdict
from prompts.models import AliasMove
from prompts.service import set_alias


def promote(
    session: Session, run_id: str, arm: str, alias: str, reason: str, *, by: str = LABEL
) -> AliasMove | None:
    """Point `alias` at the prompt version of `arm`; None if it points there already.

    The move keeps run, arm, figures, words and the split they stand on. The word does not have
    to be a winner: the evidence says what was known. Raises Invalid for an arm of an imported
    run, which has no prompt.
    """
    run = get_run(session, run_id)
    position = arm_position(arm_names(run), arm)
    prompt = run.manifest["arms"][position].get("prompt")
    if not prompt:
        raise Invalid(
            f"The arm {arm!r} was imported and has no prompt here. Push the prompt and promote "
            "it with `promptstone prompt alias`.",
            param="arm",
        )
    return set_alias(
        session,
        prompt["name"],
        prompt["version"],
        alias,
        reason=reason,
        evidence=evidence_of(session, run, arm, by=by),
    )


def evidence_of(session: Session, run: Run, arm: str, *, by: str = LABEL) -> dict[str, Any]:
    """The verdict as far as it is about the arm; reading it counts as a look."""
    read = verdict(session, run.id, by=by)
    record_look(session, read)
    found = verdict_json(read)
    return {
        "run": run.id,
        "arm": arm,
        "dataset": f"{run.dataset}@{run.dataset_version}",
        "split": _splits(session, run),
        "by": found["by"],
        "baseline": found["baseline"],
        "looks": found["looks"],
        "picked_by_hand": found["picked_by_hand"],
        "arms": found["arms"],
        "comparisons": [
            one for one in found["comparisons"] if arm in (one["candidate"], one["baseline"])
        ],
    }


def _splits(session: Session, run: Run) -> list[str]:
    """Splits of the cases that the run answered; a prompt tuned on one is judged on another."""
    used = select(Cell.case_ref).where(Cell.run_id == run.id)
    query = select(Case.split).where(col(Case.id).in_(used)).distinct()
    return sorted(split or "none" for split in session.exec(query))
