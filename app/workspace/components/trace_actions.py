"""From a call to the next step: its prompt with its inputs, a case of it, its link."""

from functools import partial
from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from app.workspace.components import access, case_adding, drawer, scene_opening, url, working
from app.workspace.strings import raw, t
from core.errors import NotFound
from prompts import service as prompts
from prompts.models import PromptPublic
from serving.cases import MESSAGES, Releases, case_inputs, correction_of
from serving.collecting import dataset_of
from serving.manifest import ReleaseManifest
from serving.traces import TracePublic, get_trace


def may_write() -> bool:
    """Viewers look only."""
    return access.role() != "viewer"


def draw(found: TracePublic, manifest: ReleaseManifest | None) -> None:
    """The row of buttons under a call's name."""
    dark = found.content is None
    with st.container(horizontal=True, gap="xsmall", key="trace_actions"):
        st.button(
            t("traces.playground"), key="trace_play", icon=":material/view_column:",
            type="tertiary", disabled=dark or manifest is None or not may_write(),
            help=t("traces.not_kept") if dark else None,
            on_click=partial(_replay, found.row.id, play=True),
        )  # fmt: skip
        st.button(
            t("traces.replay"), key="trace_replay", icon=":material/edit_note:", type="tertiary",
            disabled=dark or manifest is None, help=t("traces.not_kept") if dark else None,
            on_click=partial(_replay, found.row.id),
        )  # fmt: skip
        st.button(
            t("runs.add_case"), key="trace_case", icon=":material/add:", type="tertiary",
            shortcut=url.shortcut("D"), disabled=dark or not may_write(),
            help=t("traces.not_kept") if dark else None,
            on_click=url.put, kwargs={"do": "case", "sel": found.row.id},
        )  # fmt: skip
        with st.popover(t("traces.link"), icon=":material/link:", type="tertiary"):
            st.code(_address(found.row.id), language=None, wrap_lines=True)


def _address(request_id: str) -> str:
    """The call's page as this browser reaches it."""
    here = urlsplit(st.context.url or "")
    return urlunsplit((here.scheme, here.netloc, "/traces", f"sel={request_id}", ""))


def _replay(request_id: str, *, play: bool = False) -> None:
    """Leave for the prompt version of a call's release, with its model and inputs.

    `play`: in a comparison, else on the prompt's own page.
    """

    def read(session) -> tuple[PromptPublic, ReleaseManifest, TracePublic]:
        found = get_trace(session, request_id)
        manifest = Releases(session).manifest(found.row.app_id, found.row.release)
        if manifest is None or found.content is None:
            raise NotFound(raw("traces.nothing_to_replay"))
        version = prompts.get(session, manifest.prompt.name, manifest.prompt.version)
        if version.hash != manifest.prompt.hash:
            raise NotFound(raw("traces.other_prompt"))
        return version, manifest, found

    read_all = access.act(read)
    if read_all is None:
        return
    version, manifest, found = read_all
    assert found.content is not None
    values = case_inputs(manifest, found.content.inputs, found.content.given)
    values.pop(MESSAGES, None)
    door = manifest.models[0]
    if play:
        with access.reading() as session:
            column = scene_opening.as_asked(session, version, door.model.name, door.params)
            column = scene_opening.reading(session, column, manifest.retrieval)
        scene_opening.open_columns([column], values)
        return
    working.open_with(version, values, door.model.name, door.params)
    url.leave("prompts", id=version.name, v=version.version)


def drawer_body() -> None:
    """The call that the address names, as a case: what it should have said is to be checked."""
    with access.reading() as session:
        found = get_trace(session, url.get("sel") or "")
        manifest = Releases(session).manifest(found.row.app_id, found.row.release)
        proposed = dataset_of(session, found.row.app)
    if found.content is None:
        st.caption(t("traces.not_kept"))
        return
    saved = case_adding.draw(
        case_inputs(manifest, found.content.inputs, found.content.given),
        proposed=proposed,
        expected=correction_of(found) or found.content.output,
        message=raw("traces.case_from", app=found.row.app, id=found.row.id),
    )
    if saved is not None:
        drawer.done()
