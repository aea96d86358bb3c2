"""The drawer that plans a run: what it will ask, what it costs, and only then Start."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import cast, get_args

import streamlit as st
from pydantic import ValidationError

from app.server import context
from app.workspace.components import access, choices, drawer, judges, numbers, plan_bases, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.clock import new_id
from core.errors import PromptstoneError
from evalsets.files.cases import Split
from evalsets.runs import service as runs
from evalsets.runs.plan import Plan
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


def _body() -> None:
    offered = choices.choices()
    prompts = st.multiselect(
        t("runs.prompts"), offered.prompts, default=offered.proposed_prompts, key="plan_prompts",
        placeholder=raw("runs.choose"),
    )  # fmt: skip
    models = st.multiselect(
        t("runs.models"), offered.models, default=offered.proposed_models, key="plan_models",
        placeholder=raw("runs.choose"),
    )  # fmt: skip
    apps = _apps(offered)
    reading_from = st.container()
    place = offered.datasets.index(offered.proposed_dataset) if offered.proposed_dataset else None
    dataset = st.selectbox(t("runs.dataset"), offered.datasets, index=place, key="plan_dataset")
    split = _split()
    asked_mapping = proposed_mapping(url.get("mapping"))
    mapping = st.multiselect(
        t("runs.mapping"), asked_mapping, default=asked_mapping, key="plan_mapping",
        accept_new_options=True,
        help=t("runs.mapping_help"), placeholder=raw("runs.mapping_same"),
    )  # fmt: skip
    evaluators = st.multiselect(
        t("runs.evaluators"), offered.evaluators, key="plan_evaluators", accept_new_options=True,
        help=t("runs.evaluators_help"), placeholder=raw("runs.choose"),
    )  # fmt: skip
    judge = judges.fields(offered.models, models) if choices.NEW_JUDGE in evaluators else None
    left, middle, right = st.columns(3)
    asked = url.get("repeats") or ""
    often = min(max(int(asked), 1), 100) if asked.isdecimal() else 1
    repeats = left.number_input(t("runs.repeats"), 1, 100, often, key="plan_repeats")
    limit = middle.number_input(
        t("runs.limit"), 1, 1_000_000, None, key="plan_limit", placeholder=raw("table.all")
    )
    budget = right.number_input(
        t("runs.budget"), 0.0, None, offered.budget, step=0.5, key="plan_budget",
        placeholder=raw("runs.no_budget"),
    )  # fmt: skip
    saved = choices.saved_evaluators() | ({choices.NEW_JUDGE: judge} if judge else {})
    judge_budget = judges.budget() if judges.among(evaluators, saved) else None
    if not (dataset and ((prompts and models) or (apps and not prompts))):
        st.caption(t("runs.plan_incomplete"))
        return
    if choices.NEW_JUDGE in evaluators and judge is None:
        st.caption(t("runs.judge_incomplete"))
        return
    try:
        with reading_from:
            reading = plan_bases.draw(prompts)
        request = runs.RunRequest(
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
    _foot(figures)
    if st.button(t("runs.start"), type="primary", icon=":material/play_arrow:", key="plan_start"):
        _start(request)


def mapping_text(mapping: Mapping[str, str]) -> str | None:
    """Which variable takes which column, for the address; None where each takes its own name."""
    entries = [f"{name}={column}" for name, column in mapping.items() if name != column]
    return json.dumps(entries, ensure_ascii=False) if entries else None


def proposed_mapping(text: str | None) -> list[str]:
    """What the address proposes; nothing where it says something else."""
    try:
        said = json.loads(text or "[]")
    except ValueError:
        return []
    entries = cast(list[object], said) if isinstance(said, list) else []
    return [one for one in dict.fromkeys(map(str, entries)) if "=" in one]


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


def _foot(figures: Plan) -> None:
    cost = numbers.money(figures.cost_usd)
    with st.container(border=True, gap=None, key="plan_foot"):
        st.text(raw("runs.plan_calls", calls=numbers.count(figures.calls), cells=figures.cells))
        st.text(raw("runs.plan_cached", n=numbers.count(figures.cached)))
        if figures.unrunnable:
            st.text(raw("runs.plan_unrunnable", n=figures.unrunnable))
        tokens = (numbers.short_count(n) for n in figures.tokens)
        st.text(raw("runs.plan_tokens", input=next(tokens), output=next(tokens)))
        st.text(raw("runs.plan_cost", cost=cost))
        if figures.evaluation.calls:
            judged = numbers.money(figures.evaluation.cost_usd)
            st.text(raw("runs.plan_judges", n=figures.evaluation.calls, cost=judged))
        span = numbers.span(figures.minutes * 60_000)
        st.text(raw("runs.plan_minutes", span=span))


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
