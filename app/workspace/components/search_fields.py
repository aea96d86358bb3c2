"""Search settings as fields, kept in the address; `side` tells two of them apart."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app.workspace.components import url
from app.workspace.strings import raw, t
from rag.access import read_where
from rag.search_settings import SearchSettings
from rag.settings import changed_search

MODES = ("hybrid", "dense", "lexical")
SIDES = ("", "b_")
_WHERE = "\n"


def draw(side: str, own: SearchSettings) -> SearchSettings:
    """The fields, and what they say; `own` are the base's settings. Raises Invalid."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        mode = _picked(side, "mode", MODES, own.mode, lambda c: raw(f"knowledge.mode_{c}"))
        top_k = _number(side, "k", int, 1, 200, own.top_k)
        least = _number(side, "min", float, None, None, own.min_score)
        where = _filters(side)
        rerank = _picked(
            side, "rerank", ("off", "on"), "on" if own.rerank else "off",
            lambda c: raw(f"knowledge.rerank_{c}"),
        )  # fmt: skip
        dense, lexical = own.dense_weight, own.lexical_weight
        if mode == "hybrid":
            with st.popover(t("knowledge.weights"), icon=":material/tune:"):
                dense = _number(side, "dense", float, 0.0, 10.0, dense)
                lexical = _number(side, "lexical", float, 0.0, 10.0, lexical)
    pairs = tuple((key, value) for key, values in read_where(where).items() for value in values)
    asked = {
        "mode": mode, "top_k": top_k, "where": pairs or None, "rerank": rerank == "on",
        "dense_weight": dense, "lexical_weight": lexical,
    }  # fmt: skip
    found = changed_search(own, asked)
    return found.model_copy(update={"min_score": least})


def forget(side: str) -> None:
    """Take a side's settings out of the address."""
    names = ("mode", "k", "min", "where", "rerank", "dense", "lexical")
    url.put(**{side + name: None for name in names})


def spelled(settings: SearchSettings) -> str:
    """Settings in one line."""
    parts = [raw(f"knowledge.mode_{settings.mode}"), f"top {settings.top_k}"]
    if settings.mode == "hybrid":
        parts.append(f"{settings.dense_weight:g} : {settings.lexical_weight:g}")
    if settings.min_score is not None:
        parts.append(f"≥ {settings.min_score:g}")
    parts += [f"{key}={value}" for key, value in settings.where]
    if settings.rerank:
        parts.append(raw("knowledge.rerank_on"))
    return " · ".join(parts)


def _picked(
    side: str, name: str, codes: Sequence[str], usual: str, label: Callable[[str], str]
) -> str:
    key = f"knowledge_{side}{name}"
    asked = url.get(side + name)
    current = asked if asked in codes and asked is not None else usual
    st.session_state[key] = current

    def changed() -> None:
        picked = st.session_state[key]
        url.put(**{side + name: None if picked == usual else picked}, sel=None)

    st.segmented_control(
        t(f"knowledge.field_{name}"), codes, format_func=label, key=key, on_change=changed,
        required=True,
    )  # fmt: skip
    return current


def _number(side: str, name: str, kind: type, least: Any, most: Any, usual: Any) -> Any:
    key = f"knowledge_{side}{name}"
    current = _read(url.get(side + name), kind, least, most, usual)
    st.session_state[key] = current

    def changed() -> None:
        typed = st.session_state[key]
        if typed == usual:
            url.put(**{side + name: None}, sel=None)
        else:
            url.put(**{side + name: "none" if typed is None else f"{typed:g}"}, sel=None)

    st.number_input(
        t(f"knowledge.field_{name}"), least, most, key=key, on_change=changed, width=130,
        step=1 if kind is int else 0.05 if name == "min" else 0.5,
        format=None if kind is int else "%.2f",
        help=t("knowledge.min_help") if name == "min" else None,
    )  # fmt: skip
    return current


def _read(text: str | None, kind: type, least: Any, most: Any, usual: Any) -> Any:
    if text is None:
        return usual
    try:
        value = kind(text)
    except ValueError:
        return None if text == "none" else usual
    fits = (least is None or value >= least) and (most is None or value <= most)
    return value if fits else usual


def _filters(side: str) -> list[str]:
    key = f"knowledge_{side}where"
    current = [one for one in (url.get(f"{side}where") or "").split(_WHERE) if "=" in one]
    st.session_state[key] = current

    def changed() -> None:
        typed = [one for one in st.session_state[key] if "=" in one]
        url.put(**{f"{side}where": _WHERE.join(typed) or None}, sel=None)

    st.multiselect(
        t("knowledge.field_where"), current, key=key, accept_new_options=True, width=220,
        placeholder="KEY=VALUE", on_change=changed,
    )  # fmt: skip
    return current
