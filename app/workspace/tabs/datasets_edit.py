"""Cases typed over in a table; what waits is shown before it becomes the next version."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app.workspace.components import access, case_edits, drawer, numbers, table, url
from app.workspace.components.case_edits import PageEdits
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import datasets_stale
from core.canonical import Json
from core.clock import new_id
from core.errors import PromptstoneError
from evalsets.datasets import cases as dataset_cases
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import CasePage
from evalsets.datasets.edits import edited, load_cases, save_edited
from evalsets.datasets.service import DatasetPublic

_OPEN = "datasets_edit_open"
_FIXED = ("id", "expected", "split", "tags")
_SHOWN = 50


def active(version: DatasetPublic) -> bool:
    """Whether the address asks to edit; only the newest version can be."""
    return url.get("edit") is not None and version.version == version.newest


def begin() -> None:
    """Open the table, from the first page."""
    st.session_state.pop(_OPEN, None)
    url.put(edit=1, tab=None, v=None, sel=None, after=None, do=None)


def draw(version: DatasetPublic) -> None:
    edits = case_edits.load(version.name, version.newest)
    if datasets_stale.stale(edits, version):
        datasets_stale.draw(edits, version)
        difference(version.name, edits.based_on, edits.together())
        _discard(version.name, waits=True)
        return
    after = url.get("after")
    with access.reading() as session:
        page = dataset_cases.page_cases(
            session, version.version_id, after=int(after) if after else None
        )
    place = after or ""
    before = edits.pages.get(place, PageEdits())
    found = _table(version, page, before, place)
    if found != before:
        edits.pages[place] = found
        case_edits.keep(version.name, edits)
    _foot(version, edits.together())
    following = None if page.after is None else str(page.after)
    table.pager("datasets_edit", before="" if after else None, after=following)


def _table(version: DatasetPublic, page: CasePage, before: PageEdits, place: str) -> PageEdits:
    """The editor over a frame that stays the same while one types in it."""
    shows = (version.version_id, place)
    kept = st.session_state.get(_OPEN)
    if kept is None or kept[0] != shows:
        columns = ["id", *version.columns, "expected", "split", "tags"]
        rows = case_edits.shown_rows(page.cases, before)
        frame = pd.DataFrame(rows, columns=list(dict.fromkeys(columns)), dtype="object").fillna("")
        kept = st.session_state[_OPEN] = (shows, f"datasets_edit_{new_id()}", frame)
    _, key, frame = kept
    config = {
        name: st.column_config.TextColumn(
            raw(f"columns.case_{name}") if name in _FIXED else name, disabled=name == "id"
        )
        for name in frame.columns
    }
    typed = st.data_editor(
        frame, key=key, num_rows="dynamic", hide_index=True, column_config=config,
        alt=raw("datasets.edit"), height=min(len(frame) + 2, 17) * table.ROW_PIXELS + 3,
    )  # fmt: skip
    return case_edits.read_edits(page.cases, typed.to_dict("records"))  # type: ignore[arg-type]


def _foot(version: DatasetPublic, waiting: PageEdits) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        counts = t("datasets.edit_counts", **_counts(waiting))
        st.caption(counts if waiting.any else t("datasets.edit_help"))
        st.space("stretch")
        _discard(version.name, waits=waiting.any)
        st.button(
            t("datasets.review"), key="edits_review", type="primary", disabled=not waiting.any,
            on_click=url.open_drawer, args=("cases",), icon=":material/save:",
        )  # fmt: skip


def _discard(name: str, *, waits: bool) -> None:
    st.button(
        t("datasets.discard") if waits else t("datasets.edit_end"), key="edits_discard",
        on_click=_end, args=(name,), type="tertiary",
    )  # fmt: skip


def _counts(waiting: PageEdits) -> dict[str, int]:
    return {
        "added": len(waiting.additions),
        "removed": len(waiting.deletes),
        "changed": len(waiting.updates),
    }


def _end(name: str) -> None:
    st.session_state.pop(_OPEN, None)
    access.act(lambda session: (case_edits.forget(session, name), True))
    url.put(edit=None, after=None)


def drawer_body(name: str) -> None:
    """What will change, and the button that makes the next version of it."""
    with access.reading() as session:
        newest = datasets.get(session, name)
    edits = case_edits.load(name, newest.version)
    waiting = edits.together()
    if not waiting.any:
        st.caption(t("datasets.edit_none"))
        return
    if datasets_stale.stale(edits, newest):
        datasets_stale.draw(edits, newest, "drawer")
        return
    st.text(raw("datasets.edit_counts", **_counts(waiting)))
    difference(name, edits.based_on, waiting)
    with drawer.form("dataset_edits"):
        message = st.text_input(t("datasets.message"), key="edits_message")
        if st.form_submit_button(t("datasets.save_as", n=edits.based_on + 1), type="primary"):
            _save(name, edits.based_on, waiting, message)


def difference(name: str, based_on: int, waiting: PageEdits) -> None:
    """The first cases that change, before and after."""
    touched = [*waiting.updates, *waiting.deletes][:_SHOWN]
    with access.reading() as session:
        version = datasets.get(session, name, based_on)
        stored = {
            case_id: dataset_cases.get_case(session, version.version_id, case_id)
            for case_id in touched
        }
    rows: list[dict[str, object]] = []
    for case_id, case in stored.items():
        was = {} if case is None else case_edits.shown_rows([case], PageEdits())[0]
        update = waiting.updates.get(case_id)
        after = None if update is None else case_edits.as_texts(update)
        rows.append(
            {
                "case": case_id,
                "before": _brief(was, after),
                "after": numbers.MISSING if after is None else _brief(after, was),
            }
        )
    new = [{"case": "+", "before": numbers.MISSING, "after": _brief(r)} for r in waiting.additions]
    columns = ("case", "before", "after")
    table.still(
        (rows + new)[:_SHOWN], {c: raw(f"columns.{c}") for c in columns},
        alt=raw("datasets.changes"),
    )  # fmt: skip


def _brief(row: Mapping[str, Json], other: Mapping[str, Json] | None = None) -> str:
    """`name: text` of the fields that differ from `other`."""
    return " · ".join(
        f"{name}: {value}"
        for name, value in row.items()
        if name != "id" and (value or None) != ((other or {}).get(name) or None)
    )


def _save(name: str, based_on: int, waiting: PageEdits, message: str) -> None:
    try:
        with access.reading() as session:
            stored = load_cases(session, name, based_on)
        parsed = edited(
            stored, updates=waiting.updates, deletes=waiting.deletes, additions=waiting.additions
        )
        _ = parsed.hash
        with access.writing() as session:
            pushed = save_edited(session, name, parsed, based_on=based_on, message=message)
            case_edits.forget(session, name)
    except PromptstoneError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    st.session_state.pop(_OPEN, None)
    access.saved("datasets.saved", n=pushed.version.version)
    drawer.done(id=name)
