"""Short decisions about a column: save it as a version or a case, take its code."""

import streamlit as st

from app.workspace.components import (
    access,
    case_adding,
    code,
    drawer,
    scene_copy,
    scene_readying,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.saving import complete
from app.workspace.components.scene_copy import SceneCopy, text_of
from app.workspace.components.scene_looks import look
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.datasets import service as datasets
from prompts import service
from prompts.models import PushResult
from prompts.scene import Column


def draw(scene_id: str | None) -> None:
    """The drawer that the address names; none for a column whose arm is hidden."""
    which = url.drawer()
    if scene_id is None or which not in ("version", "case", "code"):
        return
    with access.shown_errors():
        copy = scene_copy.here()
        column = copy.mine.column(url.get("sel") or "")
        if which == "case":
            drawer.drawer(t("prompts.drawer_case"), lambda: _case(copy, column))
        elif column is not None and not copy.mine.hidden:
            body = _version if which == "version" else _code
            drawer.drawer(t(f"playground.drawer_{which}"), lambda: body(copy, column), width=560)


def _done() -> None:
    url.put(do=None, sel=None)
    st.rerun()


def _version(copy: SceneCopy, column: Column) -> None:
    """On top of the version that the column began from; a newer one is a conflict that is told."""
    with drawer.form("column_version"):
        name = st.text_input(
            t("prompts.name"), value=column.prompt or "", help=t("prompts.name_help"),
            key="version_name",
        )  # fmt: skip
        note = st.text_input(t("prompts.save_message"), key="version_note")

        def save() -> PushResult:
            content = complete(text_of(copy, column))
            wanted = name.strip()
            based_on = column.version if wanted == column.prompt else 0
            with access.writing() as session:
                draft = service.load_draft(session, access.actor(), wanted)
                saved = service.save_version(
                    session, wanted, content, based_on=based_on, message=note
                )
                if draft is not None:  # typed on the page of the prompt: none of this column's
                    service.save_draft(session, wanted, draft)
                return saved

        saved = drawer.submit_outside("prompts.save", save)
    if saved is not None:
        version = saved.version
        copy.load(
            column.id, prompt=version.name, version=version.version, changed=False,
            content=version.content.model_dump(mode="json"),
        )  # fmt: skip
        access.saved("prompts.saved", n=version.version)
        _done()


def _case(copy: SceneCopy, column: Column | None) -> None:
    """The shared values; what a column answered is proposed as expected, to be checked."""
    state = copy.mine
    looks = look(copy)
    values = scene_readying.given(state, looks.variables)
    known = {one.name for one in looks.variables}
    expected = None
    if column is not None and column.answers and not looks.is_stale(column) and not state.hidden:
        row = looks.answers.get(column.answers[0])
        expected = row.output if row is not None and row.state == "succeeded" else None
    with access.reading() as session:
        sets = [one.name for one in datasets.list_datasets(session, limit=1)]
    named = next((one.prompt for one in state.columns if one.prompt), "playground")
    proposed = sets[0] if sets else case_adding.proposed_name(named, hidden=True)
    saved = case_adding.draw(
        {name: value for name, value in values.items() if name in known},
        proposed=proposed,
        expected=expected,
        message=raw("playground.case_from", title="" if state.hidden else state.title),
    )
    if saved is not None:
        _done()


def _code(copy: SceneCopy, column: Column) -> None:
    looks = look(copy)
    ready = scene_readying.attempt(column, looks.drawn.values, looks.models)
    if isinstance(ready, PromptstoneError):
        st.caption(plain(ready.message))
        return
    code.draw(looks.models[column.model or ""], ready.request, key="column_code")
