"""What a training seldom needs: rows for its evaluation loss, a place, and TRL's own settings."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from app.workspace.strings import raw, t
from connectors.backends import gpus
from connectors.backends.gpus import CPU

_GIB = 1 << 30


class More(NamedTuple):
    """As TuneRequest has them; `params` is text, lines of KEY=VALUE."""

    evaluation: str | None
    params: str
    gpu: str | None
    gpus: int
    memory: int | None


def draw(refs: Sequence[str], data: str) -> More:
    """The fields, folded away."""
    with st.expander(t("tuning.more")):
        evaluation = st.selectbox(
            t("tuning.more_eval"), [ref for ref in refs if ref != data], None,
            key="tuning_eval", placeholder=raw("tuning.more_held_out"),
        )  # fmt: skip
        gpu, number, memory = _place()
        typed = st.text_area(
            t("tuning.more_params"), key="tuning_params", height=68,
            placeholder="dropout=0.1\nweight_decay=0.01", help=t("tuning.more_params_help"),
        )  # fmt: skip
    return More(evaluation, typed, gpu, number, memory)


def _place() -> tuple[str | None, int, int | None]:
    """A kind of GPU, how many, and bytes on each; a machine without GPUs asks for memory alone."""
    found = _gpus()
    left, right = st.columns(2, wrap=False)
    gib = left.number_input(
        t("tuning.more_memory"), 0.1, None, None, key="tuning_memory",
        placeholder=raw("tuning.more_estimated"),
    )  # fmt: skip
    memory = None if gib is None else int(gib * _GIB)
    if not found:
        return None, 1, memory
    number = right.number_input(t("tuning.more_gpus"), 1, len(found), 1, key="tuning_gpus")
    kinds = list(dict.fromkeys(found))
    kind = None
    if len(kinds) > 1:
        kind = st.selectbox(
            t("tuning.more_gpu"), kinds, None, key="tuning_gpu",
            placeholder=raw("tuning.more_any"),
        )  # fmt: skip
    return kind, int(number), memory


@st.cache_data(ttl=5, show_spinner=False)
def _gpus() -> list[str]:
    return [place.name for place in gpus.places() if place.id != CPU]
