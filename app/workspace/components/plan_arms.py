"""Arms that a plan is asked for one by one, in place of every prompt on every model."""

from collections.abc import Iterable, Sequence

import streamlit as st

from app.workspace.components import url
from app.workspace.strings import raw, t
from core.errors import Invalid
from evalsets.runs.arm_names import APP, AskedArm, is_app, parse_arm


def draw(offered: Sequence[str]) -> list[str]:
    """The field, and the way back to the product of prompts and models."""
    chosen = st.multiselect(
        t("runs.arms"), offered, default=offered, key="plan_arms", accept_new_options=True,
        help=t("runs.arms_help"), placeholder=raw("runs.choose"),
    )  # fmt: skip
    st.button(
        t("runs.arms_product"), key="plan_product", type="tertiary", icon=":material/arrow_back:",
        on_click=url.put, kwargs=_product(chosen or offered),
    )  # fmt: skip
    return chosen


def read(texts: Iterable[str]) -> list[AskedArm]:
    """Those that are no apps and can be read; the plan tells of the others."""
    found: list[AskedArm] = []
    for text in texts:
        if is_app(text):
            continue
        try:
            found.append(parse_arm(text))
        except Invalid:
            continue
    return found


def models(texts: Iterable[str]) -> list[str]:
    """The models of arms, each once."""
    return list(dict.fromkeys(arm.model for arm in read(texts)))


def _product(texts: Sequence[str]) -> dict[str, str | None]:
    """The address of the plan that has every prompt of these arms on every model of them."""
    prompts = dict.fromkeys(arm.prompt for arm in read(texts))
    apps = [text.strip().removeprefix(APP) for text in texts if is_app(text)]
    return {
        "arms": None,
        "prompts": ",".join(prompts) or None,
        "models": ",".join(models(texts)) or None,
        "app": apps[0] if apps else None,
    }
