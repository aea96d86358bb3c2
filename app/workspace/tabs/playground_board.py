"""The board of a scene: shared values, what acts on all columns, the columns."""

import streamlit as st

from app.workspace.components import (
    access,
    header,
    plan_address,
    scene_arms,
    scene_asking,
    scene_copy,
    scene_fields,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.scene_asking import ask_all, may_ask, running
from app.workspace.components.scene_copy import SceneCopy
from app.workspace.components.scene_looks import Looks, look
from app.workspace.strings import raw, t
from app.workspace.tabs import playground_blind, playground_column, runs_plan
from evalsets.labels.output_pairs import newest_output_preferences
from prompts.blind import wins
from prompts.scene import MOST_COLUMNS, SceneState


@st.fragment
def draw() -> None:
    """One fragment, so that an answer's end redraws nothing else of the page."""
    if scene_copy.is_elsewhere():
        st.rerun()
    copy = scene_copy.here()
    access.notice()
    if copy.newer is not None:
        _conflict(copy)
    looks = look(copy)
    scene_fields.values(copy, looks.variables)
    _bar(copy, looks)
    if copy.mine.hidden:
        playground_blind.draw(copy, looks)
        return
    _voted(copy)
    _columns(copy, looks)
    _foot(copy, looks)


def _conflict(copy: SceneCopy) -> None:
    assert copy.newer is not None
    with st.container(border=True, key="scene_conflict"):
        st.text(raw("playground.conflict"))
        with st.container(horizontal=True):
            st.button(
                t("playground.take_newer"), key="scene_take", on_click=copy.take,
                args=(copy.newer,),
            )  # fmt: skip
            st.button(t("playground.keep_mine"), key="scene_keep", on_click=copy.keep_mine)


def _bar(copy: SceneCopy, looks: Looks) -> None:
    state = copy.mine
    going = [one for column in state.columns for one in running(column, looks.answers)]
    with st.container(horizontal=True, vertical_alignment="bottom", key="scene_bar"):
        st.button(
            t("playground.run_all"), key="scene_run", icon=":material/play_arrow:", type="primary",
            shortcut=url.shortcut("Ctrl+Enter"), on_click=ask_all, disabled=not may_ask() or
            bool(going) or copy.newer is not None, args=(copy, looks.drawn, state.turn),
        )  # fmt: skip
        # Always in its place, so that nothing moves under the hand; its key only while it acts.
        st.button(
            t("playground.stop_all"), key="scene_stop", icon=":material/stop:", width=108,
            shortcut=url.shortcut("Esc") if going else None, on_click=scene_asking.stop,
            args=(going,), disabled=not going,
        )  # fmt: skip
        scene_fields.repeats(copy)
        st.button(
            t("playground.blind_on" if state.blind else "playground.blind"), key="scene_blind",
            icon=":material/visibility_off:" if state.blind else ":material/visibility:",
            on_click=copy.change, args=(_other_blind,), help=t("playground.blind_help"),
        )  # fmt: skip
        if not state.hidden:
            scene_fields.view(copy)
            st.button(
                t("playground.add"), key="scene_add", icon=":material/add:", on_click=copy.change,
                args=(_with_one_more,), disabled=len(state.columns) == MOST_COLUMNS,
            )  # fmt: skip
    if not state.hidden and looks.estimate:
        st.caption(plain(looks.estimate))


def _other_blind(state: SceneState) -> SceneState:
    return state.replaced(blind=not state.blind)


def _with_one_more(state: SceneState) -> SceneState:
    """The last column again, unasked: what one compares differs in one thing."""
    return state.added(state.columns[-1].unasked)


def _voted(copy: SceneCopy) -> None:
    """What a blind comparison came to, once its arms are told, and all that were made here."""
    state = copy.mine
    if state.round is None or not state.round.votes:
        return
    won = wins(state.round)
    ties = sum(vote.preference == "tie" for vote in state.round.votes)
    said = [f"{one.name}: {won.get(one.id, 0)}" for one in state.columns]
    st.text(raw("playground.voted", said=" · ".join(said), ties=ties))
    with access.reading() as session:
        kept = newest_output_preferences(session, f"scene:{copy.stored.id}")
    st.caption(t("playground.votes_kept", n=len(kept)))


def _columns(copy: SceneCopy, looks: Looks) -> None:
    state = copy.mine
    boxes = st.columns(max(len(state.columns), 2), gap="small")
    for place, (box, column) in enumerate(zip(boxes, state.columns, strict=False)):
        with box:
            playground_column.draw(copy, looks, column, place)
    if len(state.columns) == 1:
        with boxes[1]:
            header.empty("playground.empty")


def _foot(copy: SceneCopy, looks: Looks) -> None:
    found = scene_arms.of_scene(copy.mine, looks.passages)
    unsaved = ", ".join(map(str, found.unsaved))
    with st.container(horizontal=True, vertical_alignment="center", key="scene_foot"):
        if st.button(
            t("prompts.run_dataset"), key="scene_dataset", icon=":material/grid_on:",
            disabled=bool(unsaved), help=t("playground.save_first", n=unsaved) if unsaved else None,
        ):  # fmt: skip
            runs_plan.go(
                arms=plan_address.listed(found.texts),
                repeats=str(copy.mine.repeats) if copy.mine.repeats > 1 else None,
            )
        st.button(
            t("prompts.save_case"), key="scene_case", icon=":material/add:", type="tertiary",
            on_click=scene_fields.open_drawer, args=("case",), disabled=not looks.variables,
        )  # fmt: skip
