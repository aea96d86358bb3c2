"""Votes of a blind comparison: one a pair, told to the scene and kept as a preference."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.workspace.components import access
from app.workspace.components.scene_asking import Answers
from app.workspace.components.scene_copy import SceneCopy
from app.workspace.strings import t
from connectors.models import Generation
from core.clock import utcnow
from core.errors import PromptstoneError
from evalsets.labels.output_pairs import OutputPair, save_output_preference
from evalsets.labels.queues import too_fast
from prompts import scenes
from prompts.blind import Pair, next_pair
from prompts.scene import Preference, SceneState, Vote

WORDS: Sequence[tuple[Preference, str]] = (("a", "A"), ("tie", "E"), ("b", "B"))
"""What can be said of a pair, with its key, left to right."""
_SHOWN = "scene_votes_shown"
_LAST = "scene_votes_last"


def answered(state: SceneState, found: Answers) -> dict[int, list[str]]:
    """By repeat (from 1) the columns that have a whole answer."""
    repeats = max((len(one.answers) for one in state.columns), default=0)
    return {
        repeat + 1: [
            column.id
            for column in state.columns
            if repeat < len(column.answers)
            and column.answers[repeat] in found
            and found[column.answers[repeat]].state == "succeeded"
        ]
        for repeat in range(repeats)
    }


def answer_of(state: SceneState, found: Answers, column_id: str, repeat: int) -> Generation:
    """The answer of a column to a repeat (from 1)."""
    column = state.column(column_id)
    assert column is not None
    return found[column.answers[repeat - 1]]


def shown_at(copy: SceneCopy, pair: Pair) -> datetime:
    """Since when this pair is shown in this tab."""
    key = (copy.stored.id, *pair)
    before = st.session_state.get(_SHOWN)
    if before is None or before[0] != key:
        before = st.session_state[_SHOWN] = (key, utcnow())
    return before[1]


def vote(copy: SceneCopy, found: Answers, pair: Pair, preference: Preference, at: datetime) -> None:
    """Keep a vote, once: a press for a pair that is no longer the one to vote on does nothing."""
    now, last = utcnow(), st.session_state.get(_LAST)
    st.session_state[_LAST] = now
    if too_fast(now, at, last):
        st.toast(t("label.too_fast"))
        return
    state = copy.mine
    if state.round is None or not state.hidden:
        return
    if next_pair(state.round, answered(state, found)) != pair:
        return
    after = _with_vote(state, found, Vote(**pair._asdict(), preference=preference))
    kept = _pair(copy, found, pair)
    try:
        with access.writing() as session:
            save_output_preference(session, kept, preference)
            saved = scenes.save(session, copy.stored.id, after, revision=copy.stored.revision)
    except PromptstoneError as error:
        copy.failed(error)
        return
    copy.saved(saved)


def _with_vote(state: SceneState, found: Answers, one: Vote) -> SceneState:
    """The last vote tells the arms."""
    assert state.round is not None
    round = state.round.model_copy(update={"votes": (*state.round.votes, one)})
    if next_pair(round, answered(state, found)) is None:
        round = round.model_copy(update={"hidden": False})
    return state.replaced(round=round)


def _pair(copy: SceneCopy, found: Answers, pair: Pair) -> OutputPair:
    state = copy.mine
    assert state.round is not None
    names = {one.id: one.name for one in state.columns}
    return OutputPair(
        place=f"scene:{copy.stored.id}",
        inputs=state.round.inputs,
        output_a=answer_of(state, found, pair.a, pair.repeat).output,
        output_b=answer_of(state, found, pair.b, pair.repeat).output,
        arm_a=names[pair.a],
        arm_b=names[pair.b],
    )


def reveal(state: SceneState) -> SceneState:
    """The arms are told before all votes are in; those that are in stay."""
    if state.round is None:
        return state
    return state.replaced(round=state.round.model_copy(update={"hidden": False}))
