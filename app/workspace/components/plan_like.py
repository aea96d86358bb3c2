"""What a plan takes over from an earlier run beside its arms: evaluators and budgets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.workspace.components import access, url
from app.workspace.strings import raw, t
from core.errors import NotFound
from evalsets.runs import service as runs
from evalsets.runs.manifest import FrozenEvaluator, Manifest


class Like(NamedTuple):
    """`evaluators` by the name of their scores; `programs` are those that only a command starts.

    Budgets in US dollars.
    """

    evaluators: dict[str, dict[str, Any]]
    programs: list[str]
    budget: float | None
    judge_budget: float | None


NOTHING = Like({}, [], None, None)


def like() -> Like:
    """From the run that the address names; nothing where it names none that is here."""
    run_id = url.get("like")
    if run_id is None:
        return NOTHING
    try:
        with access.reading() as session:
            run = runs.get_run(session, run_id)
    except NotFound:
        return NOTHING
    manifest = Manifest.model_validate(run.manifest)
    asked = [one for one in manifest.evaluators if not one.spec.get("turned")]
    return Like(
        {one.name: one.spec for one in asked if not _is_program(one)},
        [one.name for one in asked if _is_program(one)],
        None if run.budget is None else float(run.budget),
        None if manifest.judge_budget is None else float(manifest.judge_budget),
    )


def evaluators(like: Like, offered: Sequence[str]) -> list[str]:
    """The field of evaluators, with those of the earlier run chosen."""
    chosen = st.multiselect(
        t("runs.evaluators"), list(dict.fromkeys([*like.evaluators, *offered])),
        default=list(like.evaluators), key="plan_evaluators", accept_new_options=True,
        help=t("runs.evaluators_help"), placeholder=raw("runs.choose"),
    )  # fmt: skip
    if like.programs:
        st.caption(t("runs.programs_left", names=", ".join(like.programs)))
    return chosen


def _is_program(one: FrozenEvaluator) -> bool:
    return one.spec.get("kind") == "python"
