"""A blind comparison: two answers at a time, and nothing that tells whose they are.

They come together once all have ended: who sees them stream knows the fast one.
"""

import streamlit as st

from app.workspace.components import (
    access,
    json_view,
    live,
    output,
    scene_answers,
    scene_votes,
    tool_turns,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.scene_asking import answers, ask_again, may_ask, running
from app.workspace.components.scene_copy import SceneCopy, here
from app.workspace.components.scene_looks import Looks
from app.workspace.components.scene_votes import answered, vote
from app.workspace.strings import raw, t
from prompts.blind import Pair, next_pair, pairs_in_all
from prompts.scene import Column


def draw(copy: SceneCopy, looks: Looks) -> None:
    state = copy.mine
    assert state.round is not None
    going = [one for column in state.columns for one in running(column, looks.answers)]
    if going:
        live.live(_waiting, alive=True)
        return
    _failures(copy, looks)
    if looks.withheld:
        st.caption(t("playground.withheld", n=len(looks.withheld)))
    found = answered(state, looks.answers)
    pair = next_pair(state.round, found)
    if pair is None:
        st.text(raw("playground.nothing_to_vote"))
    else:
        done, all_pairs = len(state.round.votes), pairs_in_all(found)
        st.caption(t("playground.vote_of", n=done + 1, total=all_pairs))
        _pair(copy, looks, pair)
    st.button(
        t("playground.reveal"), key="scene_reveal", icon=":material/visibility:", type="tertiary",
        on_click=copy.change, args=(scene_votes.reveal,),
    )  # fmt: skip


def _waiting() -> bool:
    """How many have ended, not which."""
    state = here().mine
    with access.reading() as session:
        found = answers(session, state)
    ended = sum(row.state != "sent" for row in found.values())
    st.caption(t("playground.waiting", n=ended, total=len(found)))
    return ended < len(found)


def _failures(copy: SceneCopy, looks: Looks) -> None:
    state = copy.mine
    assert state.round is not None
    failed = scene_answers.failures(list(looks.answers.values()))
    failed += sum(bool(column.refused) for column in state.columns)
    if not failed:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(raw("playground.failed", n=failed))
        if not state.round.votes:
            turns = {one.id: one.turn for one in state.columns if _has_failed(one, looks)}
            st.button(
                t("runs.retry"), key="scene_retry", icon=":material/refresh:", type="tertiary",
                on_click=ask_again, args=(copy, looks.drawn, turns), disabled=not may_ask(),
            )  # fmt: skip


def _has_failed(column: Column, looks: Looks) -> bool:
    rows = [looks.answers[one] for one in column.answers if one in looks.answers]
    return bool(column.refused) or scene_answers.failures(rows) > 0


def _pair(copy: SceneCopy, looks: Looks, pair: Pair) -> None:
    state, since = copy.mine, scene_votes.shown_at(copy, pair)
    # Of all columns, because a sentence of one side alone would tell its prompt.
    has_mocks = any(bool(column.content.get("mocks")) for column in state.columns)
    for side, box, column_id in zip("ab", st.columns(2), (pair.a, pair.b), strict=True):
        with box:
            st.subheader(plain(side.upper()), anchor=False)
            row = scene_votes.answer_of(state, looks.answers, column_id, pair.repeat)
            laid_out = json_view.laid_out(row.output) if state.view == "json" else None
            output.output(
                row.output if laid_out is None else laid_out, key=f"blind_{side}",
                label=side.upper(), markdown=state.view == "markdown",
            )  # fmt: skip
            tool_turns.draw(row, key=f"blind_{side}_tools", has_mocks=has_mocks)
    with st.container(horizontal=True, key="scene_votes"):
        for preference, key in scene_votes.WORDS:
            st.button(
                t(f"playground.better_{preference}"), key=f"vote_{preference}",
                shortcut=url.shortcut(key), on_click=vote,
                args=(copy, looks.answers, pair, preference, since),
            )  # fmt: skip
