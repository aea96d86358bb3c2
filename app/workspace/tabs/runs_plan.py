"""The drawer that plans a run: what it will ask, what it costs, and only then Start."""

from decimal import Decimal
from typing import NamedTuple, get_args

import streamlit as st
from pydantic import ValidationError

from app.server import context
from app.workspace.components import (
    access,
    choices,
    drawer,
    judges,
    knowledge_rights,
    plan_address,
    plan_arms,
    plan_bases,
    plan_figures,
    plan_like,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.clock import new_id
from core.errors import PromptstoneError
from evalsets.files.cases import Split
from evalsets.runs import service as runs
from serving.as_model import freeze_apps

FORM = "plan_form"


def open_plan(**proposed: str | None) -> None:
    """Open the drawer with a fresh form token: pressing Start twice makes one run."""
    st.session_state[FORM] = new_id()
    url.replace(do="plan", **proposed)


def draw() -> None:
    """The drawer, when the address asks for it."""
    if url.drawer() == "plan":
        st.session_state.setdefault(FORM, new_id())
        drawer.drawer(t("runs.drawer_plan"), _body, width=520)


class _Compared(NamedTuple):
    """What is compared: arms one by one, or every prompt on every model."""

    one_by_one: bool
    arms: list[str]
    prompts: list[str]
    models: list[str]

    def is_enough(self, apps: list[str]) -> bool:
        """Whether there is something to run."""
        return bool(self.arms or (self.models if self.prompts else apps))


def _compared(offered: choices.Choices) -> _Compared:
    proposed = plan_address.proposed(url.get("arms"))
    if proposed:
        arms = plan_arms.draw(proposed)
        return _Compared(True, arms, [], plan_arms.models(arms))
    prompts = st.multiselect(
        t("runs.prompts"), offered.prompts, default=offered.proposed_prompts, key="plan_prompts",
        placeholder=raw("runs.choose"),
    )  # fmt: skip
    models = st.multiselect(
        t("runs.models"), offered.models, default=offered.proposed_models, key="plan_models",
        placeholder=raw("runs.choose"),
    )  # fmt: skip
    return _Compared(False, [], prompts, models)


def _body() -> None:
    offered, like = choices.choices(), plan_like.like()
    compared = _compared(offered)
    prompts, models = compared.prompts, compared.models
    apps = _apps(offered)
    reading_from = st.container()
    place = offered.datasets.index(offered.proposed_dataset) if offered.proposed_dataset else None
    dataset = st.selectbox(
        t("runs.dataset"), offered.datasets, index=place, key="plan_dataset",
        placeholder=raw("runs.choose"),
    )  # fmt: skip
    split = _split()
    asked_mapping = plan_address.proposed_mapping(url.get("mapping"))
    mapping = st.multiselect(
        t("runs.mapping"), asked_mapping, default=asked_mapping, key="plan_mapping",
        accept_new_options=True,
        help=t("runs.mapping_help"), placeholder=raw("runs.mapping_same"),
    )  # fmt: skip
    evaluators = plan_like.evaluators(like, offered.evaluators)
    new_judge = choices.NEW_JUDGE in evaluators and choices.NEW_JUDGE not in like.evaluators
    judge = judges.fields(offered.models, models) if new_judge else None
    left, middle, right = st.columns(3)
    often = _number("repeats", 100) or 1
    repeats = left.number_input(t("runs.repeats"), 1, 100, often, key="plan_repeats")
    limit = middle.number_input(
        t("runs.limit"), 1, 1_000_000, _number("limit", 1_000_000), key="plan_limit",
        placeholder=raw("table.all"),
    )  # fmt: skip
    budget = right.number_input(
        t("runs.budget"), 0.0, None, like.budget or offered.budget, step=0.5, key="plan_budget",
        placeholder=raw("runs.no_budget"),
    )  # fmt: skip
    made = {choices.NEW_JUDGE: judge} if judge else {}
    saved = choices.saved_evaluators() | made | like.evaluators
    asks = judges.among(evaluators, saved)
    judge_budget = judges.budget(like.judge_budget) if asks else None
    if not (dataset and compared.is_enough(apps)):
        st.caption(t("runs.arms_incomplete" if compared.one_by_one else "runs.plan_incomplete"))
        return
    if new_judge and judge is None:
        st.caption(t("runs.judge_incomplete"))
        return
    try:
        with reading_from:
            reading = _reading(compared)
        request = runs.RunRequest(
            arms=tuple(compared.arms),
            prompts=tuple(prompts),
            models=tuple(models) if prompts else (),
            apps=tuple(apps),
            dataset=dataset,
            split=split,
            **reading._asdict(),
            repeats=repeats,
            limit=limit,
            mapping=tuple(mapping),
            budget=None if not budget else Decimal(str(budget)),
            judge_budget=judge_budget,
            evaluators=tuple(choices.evaluator(name, saved) for name in evaluators),
            idempotency_key=st.session_state[FORM],
        )
        figures = runs.plan(context.current().database, request, freeze_apps)
    except (PromptstoneError, ValidationError) as error:
        st.error(plain(getattr(error, "message", str(error))), icon=":material/error:")
        return
    plan_figures.draw(figures)
    if st.button(t("runs.start"), type="primary", icon=":material/play_arrow:", key="plan_start"):
        _start(request)


def _reading(compared: _Compared) -> plan_bases.Reading:
    """Arms name their bases themselves; the rules of who looks hold for them, too."""
    if compared.one_by_one:
        return plan_bases.Reading(subject=knowledge_rights.subject())
    return plan_bases.draw(compared.prompts)


def _number(name: str, most: int) -> int | None:
    """A number from 1 that the address proposes."""
    asked = url.get(name) or ""
    return min(max(int(asked), 1), most) if asked.isdecimal() and len(asked) < 10 else None


def _apps(offered: choices.Choices) -> list[str]:
    """Whole apps beside prompts, where there are any."""
    if not offered.apps:
        return []
    return st.multiselect(
        t("runs.apps"), offered.apps, default=offered.proposed_apps, key="plan_apps",
        accept_new_options=True, help=t("runs.apps_help"), placeholder=raw("runs.choose"),
    )  # fmt: skip


def _split() -> str | None:
    """The part of the cases that is asked; the address may propose one."""
    asked, parts = url.get("split"), [*get_args(Split)]
    return st.selectbox(
        t("runs.split"), parts, index=parts.index(asked) if asked in parts else None,
        key="plan_split", placeholder=raw("table.all"),
    )  # fmt: skip


def _start(request: runs.RunRequest) -> None:
    try:
        started = runs.start(context.current().database, access.actor(), request, freeze_apps)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    st.session_state.pop(FORM, None)
    drawer.done(id=started.run_id)


def go(**proposed: str | None) -> None:
    """Leave for the runs page with the drawer open; not from a callback."""
    st.session_state[FORM] = new_id()
    url.go("runs", do="plan", **proposed)


def again(run_id: str) -> None:
    """Open the drawer with the arms of a run, each as it asked."""
    with access.reading() as session:
        proposed = plan_address.of_run(session, runs.get_run(session, run_id))
    open_plan(**proposed)
