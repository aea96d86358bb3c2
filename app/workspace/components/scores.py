"""The score filter of the matrix: an evaluator, and the bound that its score keeps."""

from collections.abc import Sequence

import streamlit as st
from sqlmodel import Session, col, select

from app.workspace.components import url
from app.workspace.strings import raw, t
from evalsets.models import CellScore, Run
from evalsets.runs.matrix_filters import ScoreFilter

BOUNDS = ("below", "above", "unscored")
_FIRST_CELLS = 200
"""Cells whose scores tell which evaluators there are beside those that the run froze."""


class Picked:
    """What the address asks for; without a bound the scores are shown and nothing is left out."""

    def __init__(self, evaluators: Sequence[str]) -> None:
        asked, bound = url.get("score"), url.get("bound")
        self.evaluator = asked if asked in evaluators else None
        self.bound = bound if bound in BOUNDS else BOUNDS[0]
        self.value = _number(url.get("at"))

    @property
    def filter(self) -> ScoreFilter | None:
        """As the service takes it."""
        if self.evaluator is None:
            return None
        if self.bound == "unscored":
            return ScoreFilter(self.evaluator)
        if self.value is None:
            return None
        if self.bound == "above":
            return ScoreFilter(self.evaluator, at_least=self.value)
        return ScoreFilter(self.evaluator, at_most=self.value)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def evaluators(session: Session, run: Run) -> list[str]:
    """Names under which the run has scores."""
    frozen = [str(one["name"]) for one in run.manifest["evaluators"]]
    query = select(CellScore.evaluator).where(
        CellScore.run_id == run.id, col(CellScore.cell) < _FIRST_CELLS
    )
    return list(dict.fromkeys([*frozen, *sorted(session.exec(query.distinct()))]))


def draw(names: Sequence[str]) -> Picked:
    """The filter's fields; nothing where the run has no evaluator."""
    picked = Picked(names)
    if not names:
        return picked
    st.session_state["matrix_score"] = picked.evaluator
    st.selectbox(
        t("columns.score"), names, index=None, key="matrix_score", on_change=_changed, width=170,
        placeholder=raw("columns.score"), label_visibility="collapsed",
    )  # fmt: skip
    if picked.evaluator is None:
        return picked
    st.session_state["matrix_bound"] = picked.bound
    st.selectbox(
        t("runs.bound"), BOUNDS, key="matrix_bound", on_change=_changed, width=130,
        format_func=lambda code: raw(f"runs.bound_{code}"), label_visibility="collapsed",
    )  # fmt: skip
    if picked.bound != "unscored":
        st.session_state["matrix_at"] = picked.value
        st.number_input(
            t("columns.value"), key="matrix_at", on_change=_changed, width=130, step=None,
            placeholder=raw("columns.value"), label_visibility="collapsed",
        )  # fmt: skip
    return picked


def _changed() -> None:
    state = st.session_state
    at, name = state.get("matrix_at"), state.get("matrix_score")
    bound = state.get("matrix_bound", BOUNDS[0]) if name else None
    url.put(
        score=name,
        bound=None if bound == BOUNDS[0] else bound,
        at=None if at is None or not name else f"{at:g}",
        after=None, before=None, sel=None,
    )  # fmt: skip


def shown(value: float | None) -> str:
    """A score before a preview."""
    return raw("numbers.unscored") if value is None else f"{value:.4g}"
