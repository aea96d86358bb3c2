"""An evaluator on three answers of a run, or on a typed one: rules score them at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.workspace.components import access, numbers, tried, url
from app.workspace.strings import raw, t
from app.workspace.tabs import evaluators_judge
from evalsets.evaluators.specs import load_evaluator
from evalsets.evaluators.subjects import Subject
from evalsets.models import Run
from evalsets.runs.scoring import score_of
from evalsets.runs.trying import runs_to_try, samples


def draw(name: str, spec: Mapping[str, Any] | None, asks: bool) -> None:
    """The right side of an evaluator; `spec` is None until its settings are whole."""
    st.subheader(t("evaluators.try"), anchor=False)
    with access.reading() as session:
        runs = runs_to_try(session)
    if asks and not runs:
        st.caption(t("evaluators.no_runs"))
    elif not asks and _source(runs) == "typed":
        _typed(spec)
    else:
        _answers(name, spec, asks, _run(runs))


def _source(runs: Sequence[Run]) -> str:
    if not runs:
        return "typed"
    return url.choice(
        "evaluator", "on", ("run", "typed"), lambda code: raw(f"evaluators.on_{code}"),
        raw("evaluators.try"),
    )  # fmt: skip


def _typed(spec: Mapping[str, Any] | None) -> None:
    output = st.text_area(t("evaluators.output"), height=110, key="evaluator_output")
    expected = st.text_area(t("evaluators.expected"), height=68, key="evaluator_expected")
    if spec is not None and output:
        scorer: Any = load_evaluator(spec)
        tried.scored(score_of(scorer, Subject(output, expected=expected or None)))


def _answers(name: str, spec: Mapping[str, Any] | None, asks: bool, run_id: str) -> None:
    with access.reading() as session:
        picked = samples(session, run_id)
    if spec is not None and asks:
        evaluators_judge.draw(name, run_id, spec, picked)
        return
    scorer: Any = None if spec is None else load_evaluator(spec)
    for one in picked:
        tried.case(one, () if scorer is None else [tried.Told(score_of(scorer, one.subject))])


def _run(runs: Sequence[Run]) -> str:
    """The run that the address names, or the newest."""
    found = {run.id: run for run in runs}
    asked = url.get("run")
    current = asked if asked in found and asked is not None else runs[0].id
    st.session_state["evaluator_run"] = current

    def spelled(run_id: str) -> str:
        run = found[run_id]
        title = run.title or f"{run.dataset}@{run.dataset_version}"
        return raw(
            "evaluators.run_option", title=title, n=numbers.count(run.succeeded),
            when=numbers.ago(run.created_at),
        )  # fmt: skip

    return st.selectbox(
        t("evaluators.run"), list(found), key="evaluator_run", format_func=spelled,
        on_change=lambda: url.put(run=st.session_state["evaluator_run"]),
    )  # fmt: skip
