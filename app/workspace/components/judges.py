"""A judge written where it is needed: its rubric, its scale and the model that grades."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, get_args

import streamlit as st

from app.workspace.strings import raw, t
from evalsets.evaluators.judge import Judge, Scale
from evalsets.evaluators.kinds import JUDGES

_SCALES = tuple(scale for scale in get_args(Scale) if scale != "categories")
"""Categories need values of their own; the page Evaluators asks for them."""


def fields(models: Sequence[str], chosen: Sequence[str]) -> dict[str, Any] | None:
    """The settings of a new judge, or None until it has a rubric and a model."""
    with st.container(border=True, gap="small", key="plan_judge"):
        rubric = st.text_area(
            t("runs.judge_rubric"), height=90, key="plan_rubric",
            placeholder=raw("runs.judge_rubric_hint"),
        )  # fmt: skip
        left, right = st.columns(2, wrap=False)
        place = models.index(chosen[0]) if chosen and chosen[0] in models else None
        model = left.selectbox(
            t("runs.judge_model"), models, index=place, key="plan_judge_model",
            placeholder=raw("runs.choose"),
        )  # fmt: skip
        scale = right.selectbox(
            t("runs.judge_scale"), _SCALES, key="plan_judge_scale",
            format_func=lambda code: raw(f"runs.scale_{code.replace('-', '_')}"),
        )  # fmt: skip
    if not rubric.strip() or model is None:
        return None
    return Judge(rubric=rubric.strip(), model=model, scale=scale or _SCALES[0]).model_dump(
        exclude_none=True
    )


def among(names: Sequence[str], saved: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether one of the chosen evaluators asks a model."""
    asking = {cls.model_fields["kind"].default for cls in JUDGES}
    return any(saved.get(name, {}).get("kind", name.partition(":")[0]) in asking for name in names)


def budget(now: float | None = None) -> Decimal | None:
    """What judges may spend of the run's budget, in US dollars."""
    given = st.number_input(
        t("runs.judge_budget"), 0.0, None, now, step=0.5, key="plan_judge_budget",
        placeholder=raw("runs.no_budget"), help=t("runs.judge_budget_help"),
    )  # fmt: skip
    return Decimal(str(given)) if given else None
