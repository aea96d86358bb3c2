"""From a cell to the next step: mark it, keep it as a case, try its prompt with its inputs."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st
from sqlmodel import Session

from app.workspace.components import (
    access,
    case_adding,
    drawer,
    matrix,
    scene_opening,
    url,
    working,
)
from app.workspace.strings import raw, t
from evalsets.runs.cell_detail import CellDetail, cell_detail
from evalsets.runs.highlights import highlighted, toggle_highlight
from evalsets.runs.manifest import Arm, Manifest
from evalsets.runs.service import get_run
from prompts import service
from prompts.models import PromptPublic
from prompts.scene import Column


def draw(found: CellDetail) -> None:
    """The row of buttons under a cell's name."""
    with access.reading() as session:
        marked = bool(highlighted(session, found.run_id, [found.number]))
        arm = _arm(found, Manifest.model_validate(get_run(session, found.run_id).manifest))
    with st.container(horizontal=True, gap="xsmall", key="cell_actions"):
        st.button(
            t("runs.unhighlight" if marked else "runs.highlight"), key="cell_highlight",
            icon=":material/check:" if marked else ":material/star:",
            shortcut=url.shortcut("H"), type="tertiary",
            on_click=partial(_mark, found.run_id, found.number),
        )  # fmt: skip
        st.button(
            t("runs.add_case"), key="cell_case", icon=":material/add:", type="tertiary",
            on_click=url.put, kwargs={"do": "case", "sel": found.number},
        )  # fmt: skip
        st.button(
            t("runs.open_prompt"), key="cell_play", icon=":material/view_column:", type="tertiary",
            disabled=arm.prompt is None,
            help=t("runs.no_prompt_here") if arm.prompt is None else None,
            on_click=partial(_play, found, url.get("base")),
        )  # fmt: skip
        st.button(
            t("runs.open_editor"), key="cell_open", icon=":material/edit_note:", type="tertiary",
            disabled=arm.prompt is None,
            help=t("runs.no_prompt_here") if arm.prompt is None else None,
            on_click=partial(_open, arm, found.inputs),
        )  # fmt: skip


def _play(found: CellDetail, base: str | None) -> None:
    """Leave for a comparison of the cell's arm with the one that it is compared with here."""
    with access.reading() as session:
        manifest = Manifest.model_validate(get_run(session, found.run_id).manifest)
    mine = _arm(found, manifest)
    place = int(base) if base is not None and base.isdecimal() else 0
    rivals = manifest.arms[place : place + 1]
    arms = [one for one in rivals if one != mine and one.prompt is not None] + [mine]
    columns = access.act(lambda session: [_column(session, one) for one in arms])
    if columns is not None:
        scene_opening.open_columns(columns, _values(mine, found.inputs))


def _column(session: Session, arm: Arm) -> Column:
    """An arm with the parameters that it ran with, and the base that it read from."""
    assert arm.prompt is not None
    version = service.get(session, arm.prompt.name, arm.prompt.version)
    model = None if arm.model is None else arm.model.name
    column = scene_opening.as_asked(session, version, model, arm.params)
    return scene_opening.reading(session, column, arm.retrieval)


def _arm(found: CellDetail, manifest: Manifest) -> Arm:
    return next(arm for arm in manifest.arms if arm.name == found.arm)


def _mark(run_id: str, number: int) -> None:
    matrix.release()
    access.act(lambda session: (toggle_highlight(session, run_id, number), True))


def _values(arm: Arm, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The case's columns under the names that the arm's prompt reads."""
    return {**inputs, **{name: inputs.get(column) for name, column in arm.mapping.items()}}


def _open(arm: Arm, inputs: dict[str, Any]) -> None:
    """Leave for the prompt version of an arm, with its model, parameters and these inputs."""
    assert arm.prompt is not None
    name, number = arm.prompt.name, arm.prompt.version

    def read(session: Any) -> PromptPublic:
        return service.get(session, name, number)

    version = access.act(read)
    if version is not None:
        model = None if arm.model is None else arm.model.name
        working.open_with(version, _values(arm, inputs), model, arm.params)
        url.leave("prompts", id=name, v=number)


def drawer_body(run_id: str) -> None:
    """The cell that the address names, as a case: what it should have said is to be checked."""
    number = url.get("sel") or ""
    with access.reading() as session:
        run = get_run(session, run_id)
    found = cell_detail(access.database(), run_id, int(number) if number.isdecimal() else 0)
    correction = None if found.label is None else found.label.correction
    saved = case_adding.draw(
        found.inputs,
        proposed=case_adding.proposed_name(run.dataset, hidden=run.imported),
        expected=correction or found.output or found.expected,
        message=raw("runs.case_from", case=found.case_id, run=run_id),
    )
    if saved is not None:
        drawer.done(id=run_id, tab="cases", sel=found.number)
