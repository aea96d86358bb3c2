"""One column: what is asked, what is sent, what came back, and what to do with it."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from app.workspace.components import (
    messages,
    scene_answers,
    scene_asking,
    scene_base,
    scene_fields,
    scene_source,
    sources,
    tool_turns,
)
from app.workspace.components.completing import Known
from app.workspace.components.plain import plain
from app.workspace.components.scene_asking import ask_again, may_ask, running
from app.workspace.components.scene_copy import SceneCopy, text_of
from app.workspace.components.scene_looks import Looks, of_model, sent
from app.workspace.strings import t
from prompts.scene import MOST_COLUMNS, Column


def draw(copy: SceneCopy, looks: Looks, column: Column, place: int) -> None:
    with st.container(border=True, gap="small", key=f"scene_column_{column.id}"):
        scene_source.draw(copy, column, looks.prompts)
        scene_fields.model(copy, column, list(looks.models))
        if column.id in looks.passages:
            scene_base.choose(copy, column, looks.bases)
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            model = looks.models.get(column.model or "")
            scene_fields.settings(copy, column, of_model(model))
            if column.changed:
                st.badge(t("playground.changed"), color="orange")
            st.space("stretch")
            scene_fields.menu(copy, column, _actions(copy, column))
        _text(copy, looks, column)
        _sent(looks, column)
        _answers(copy, looks, column, place)
        _again(copy, looks, column)


def _actions(copy: SceneCopy, column: Column) -> dict[str, Callable[[], None]]:
    opens = {
        "playground.version": "version",
        "prompts.save_case": "case",
        "prompts.get_code": "code",
    }
    found: dict[str, Callable[[], None]] = {
        name: partial(scene_fields.open_drawer, drawer, column) for name, drawer in opens.items()
    }
    if column.changed and column.version is not None:
        found["playground.discard"] = partial(scene_source.discard, copy, column)
    if len(copy.mine.columns) > 1:
        found["playground.remove_column"] = partial(_remove, copy, column)
    if len(copy.mine.columns) < MOST_COLUMNS:
        found["playground.twin"] = partial(_twin, copy, column)
    return found


def _remove(copy: SceneCopy, column: Column) -> None:
    copy.change(lambda state: state.removed(column.id))


def _twin(copy: SceneCopy, column: Column) -> None:
    copy.change(lambda state: state.added(column.unasked))


def _text(copy: SceneCopy, looks: Looks, column: Column) -> None:
    with st.expander(t("playground.text"), key=f"text_{copy.face}_{column.id}"):
        text = text_of(copy, column)
        others = [one for one in looks.snippets if not one.startswith(f"{column.prompt}@")]
        known = Known(others, looks.problems.get(column.id))
        messages.draw(text, prefix=f"text_{copy.key(column)}", known=known)
        st.button(
            t("prompts.add_message"), icon=":material/add:", key=f"more_{copy.key(column)}",
            on_click=text.add, type="tertiary",
        )  # fmt: skip
        st.button(
            t("prompts.add_thread"), icon=":material/forum:", key=f"thread_{copy.key(column)}",
            on_click=text.add_thread, help=t("prompts.add_thread_help"), type="tertiary",
        )  # fmt: skip


def _sent(looks: Looks, column: Column) -> None:
    ready, model = looks.readied.get(column.id), looks.models.get(column.model or "")
    if column.id in looks.faults:
        st.caption(f":material/error: {plain(looks.faults[column.id])}")
    elif ready is not None and model is not None:
        st.caption(t("prompts.sent", params=sent(model, ready)))


def _answers(copy: SceneCopy, looks: Looks, column: Column, place: int) -> None:
    state = copy.mine
    rows = [looks.answers[one] for one in column.answers if one in looks.answers]
    if column.refused:
        st.error(plain(column.refused), icon=":material/error:")
    if rows and looks.is_stale(column):
        st.caption(t("playground.stale"))
    if hidden := looks.withheld.intersection(column.answers):
        st.caption(t("playground.withheld", n=len(hidden)))
    first = state.columns[0]
    for repeat, row in enumerate(rows):
        beside = looks.answers.get(first.answers[repeat]) if repeat < len(first.answers) else None
        scene_answers.shown(
            row, key=f"answer_{column.id}_{repeat}", view=state.view,
            label=scene_answers.label_of(place + 1, repeat, len(rows)),
            first=beside if place else None,
        )  # fmt: skip
        if (reading := column.reading_of(row.id)) is not None:
            text = scene_answers.text_so_far(row)
            sources.draw(reading.kb, reading.sources, text, key=f"sources_{column.id}_{repeat}")
        if row.state != "sent":
            has_mocks = bool(column.content.get("mocks"))
            tool_turns.draw(row, key=f"tools_{column.id}_{repeat}", has_mocks=has_mocks)
            if row.state == "succeeded":
                tool_turns.fits(row.output, column.content.get("outputs"))
            scene_answers.ended(row)
    scene_answers.together(rows)


def _again(copy: SceneCopy, looks: Looks, column: Column) -> None:
    if not column.answers and not column.refused:
        return
    going = running(column, looks.answers)
    rows = [looks.answers[one] for one in column.answers if one in looks.answers]
    failed = scene_answers.failures(rows) or column.refused
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            t("playground.retry" if failed else "playground.again"), key=f"retry_{column.id}",
            icon=":material/refresh:", on_click=ask_again, disabled=bool(going) or not may_ask(),
            args=(copy, looks.drawn, {column.id: column.turn}), type="tertiary",
        )  # fmt: skip
        if going:
            st.button(
                t("prompts.stop"), key=f"stop_{column.id}", icon=":material/stop:",
                on_click=scene_asking.stop, args=(going,), type="tertiary",
            )  # fmt: skip
