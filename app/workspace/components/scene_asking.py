"""Asking the columns of a scene: all or one, each on its own, and never the same press twice."""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from app.server import context
from app.workspace.components import access, editor
from app.workspace.components.base_passages import Filled
from app.workspace.components.scene_copy import SceneCopy
from app.workspace.components.scene_readying import Drawn, Readied, attempt, given, reads
from connectors import generate
from connectors.generate import Call, Reached
from connectors.models import Generation
from core.errors import PromptstoneError
from prompts import scenes
from prompts.going_on import going_on
from prompts.scene import Blind, Column, SceneState

Answers = Mapping[str, Generation]
"""The calls of a scene's columns, by id."""


def answers(session: Session, state: SceneState) -> dict[str, Generation]:
    """The calls that the columns name."""
    ids = [one for column in state.columns for one in column.answers]
    rows = session.exec(select(Generation).where(col(Generation.id).in_(ids)))
    return {row.id: row for row in rows}


def running(column: Column, found: Answers) -> list[str]:
    """The calls of a column that have not ended."""
    return [one for one in column.answers if one in found and found[one].state == "sent"]


def may_ask() -> bool:
    """Viewers look only."""
    return access.role() != "viewer"


def ask_all(copy: SceneCopy, drawn: Drawn, turn: int) -> None:
    """Ask every column, unless a press of the same drawing did so already."""
    editor.take()
    state = copy.mine
    if state.turn != turn or _is_running(state):
        return
    blind = Blind(seed=random.getrandbits(48)) if state.blind else None
    fresh = state.replaced(turn=turn + 1, round=blind)
    _submit(copy, fresh, {one.id: (0,) * fresh.repeats for one in state.columns}, drawn)


def ask_again(copy: SceneCopy, drawn: Drawn, turns: Mapping[str, int]) -> None:
    """Ask columns anew, by the turn that was drawn: what failed of them, or all of it."""
    editor.take()
    state = copy.mine
    with access.reading() as session:
        found = answers(session, state)
    places: dict[str, tuple[int, ...]] = {}
    for column in state.columns:
        if turns.get(column.id) != column.turn or running(column, found):
            continue
        failed = [n for n, one in enumerate(column.answers) if _failed(found.get(one))]
        kept = [column.answers[n] if n not in failed else "" for n in range(len(column.answers))]
        if not failed:
            kept = [""] * state.repeats
        places[column.id] = tuple(0 if one == "" else 1 for one in kept)
    if places:
        _submit(copy, state, places, drawn)


def _failed(row: Generation | None) -> bool:
    return row is None or row.state in ("failed", "interrupted", "stopped")


def _is_running(state: SceneState) -> bool:
    live = context.current().generations
    return any(live.text(one) is not None for column in state.columns for one in column.answers)


def _submit(
    copy: SceneCopy,
    state: SceneState,
    places: Mapping[str, Sequence[int]],
    drawn: Drawn,
) -> None:
    """Store the calls with the state that names them, then begin them.

    `places` gives, for each column that is asked, one entry a repeat: 0 asks it, 1 keeps the
    answer that stands there.
    """
    if not may_ask():
        return
    if drawn.state == copy.mine:
        values, known = drawn.values, drawn.readied
    else:
        values, known = given(state, reads(state).variables), dict[str, Readied]()
    if state.round is not None and not state.round.votes:
        state = state.replaced(round=state.round.model_copy(update={"inputs": values}))
    # What a base holds, and who may read it, can have changed since it was drawn.
    ready = {key: one for key, one in known.items() if one.filled.base is None}
    readies = {
        column.id: ready.get(column.id) or attempt(column, values, drawn.models)
        for column in state.columns
        if column.id in places
    }
    prepared = _prepared(state, readies)
    begun: list[tuple[str, Call]] = []
    try:
        with access.writing() as session:
            for column_id, ready in prepared.items():
                state = _recorded(session, state, column_id, ready, places[column_id], begun)
            saved = scenes.save(session, copy.stored.id, state, revision=copy.stored.revision)
    except PromptstoneError as error:
        copy.failed(error)
        return
    copy.saved(saved)
    for generation_id, call in begun:
        context.current().generations.begin(generation_id, call)


class _Prepared(NamedTuple):
    """A column's call, or why it cannot be asked."""

    call: Call | None
    hash: str | None = None
    refused: str | None = None
    filled: Filled | None = None


def _prepared(
    state: SceneState, readies: Mapping[str, Readied | PromptstoneError]
) -> dict[str, _Prepared]:
    found: dict[str, _Prepared] = {}
    reached: dict[str, Reached | PromptstoneError] = {}
    with access.reading() as session:
        for name in dict.fromkeys(column.model or "" for column in state.columns):
            reached[name] = _reached(session, name)
    for column in state.columns:
        ready, model = readies.get(column.id), reached[column.model or ""]
        if ready is None:
            continue
        if isinstance(ready, PromptstoneError):
            found[column.id] = _Prepared(None, refused=ready.message)
        elif isinstance(model, PromptstoneError):
            found[column.id] = _Prepared(None, refused=model.message)
        else:
            call = _call(column, ready, model)
            found[column.id] = _Prepared(call, ready.hash(column.model), filled=ready.filled)
    return found


def _reached(session: Session, model: str) -> Reached | PromptstoneError:
    try:
        return generate.reach(session, model, context.current().settings.key_path)
    except PromptstoneError as error:
        return error


def _call(column: Column, ready: Readied, model: Reached) -> Call:
    return Call(
        access.actor(),
        model.target,
        ready.request,
        model.price,
        column.prompt,
        None if column.changed else column.version,
        going_on(ready.content.mocks),
    )


def _recorded(
    session: Session,
    state: SceneState,
    column_id: str,
    ready: _Prepared,
    places: Sequence[int],
    begun: list[tuple[str, Call]],
) -> SceneState:
    """The state with a column's fresh calls, whose rows are written."""
    column = state.column(column_id)
    assert column is not None
    ids: list[str] = []
    fresh: list[str] = []
    for place, kept in enumerate(places):
        if kept and place < len(column.answers):
            ids.append(column.answers[place])
        elif ready.call is not None:
            fresh.append(generate.record(session, ready.call))
            ids.append(fresh[-1])
            begun.append((fresh[-1], ready.call))
    reading = None if ready.filled is None else ready.filled.reading(fresh)
    return state.with_column(
        column_id, turn=column.turn + 1, answers=tuple(ids), asked=ready.hash,
        refused=ready.refused, readings=column.now_read(reading, ids),
    )  # fmt: skip


def stop(ids: Sequence[str]) -> None:
    """End calls of one's own; what they said so far is kept."""
    here = context.current()
    with access.reading() as session:
        rows = session.exec(select(Generation).where(col(Generation.id).in_(list(ids))))
        mine = [row.id for row in rows if row.actor == access.actor()]
    for generation_id in mine:
        here.generations.stop(generation_id)
