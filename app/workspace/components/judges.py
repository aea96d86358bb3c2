"""A judge written where it is needed: its rubric, its scale and the model that grades."""

from collections.abc import Sequence
from typing import Any, get_args

import streamlit as st

from app.workspace.strings import raw, t
from evalsets.evaluators.judge import Judge, Scale

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
