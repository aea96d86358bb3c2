"""The states of a base: what changed between two, a name for the newest, an end for the old."""

from functools import partial

import streamlit as st

from app.workspace.components import access, numbers, table, url, uses
from app.workspace.components.knowledge_rights import View
from app.workspace.strings import raw, t
from rag import snapshots
from rag.models import Snapshot

COLUMNS = ("snapshot", "message", "documents", "chunks", "author", "when")


def draw(seen: View) -> None:
    with access.reading() as session:
        found = snapshots.list_snapshots(session, seen.base.id)
    before = url.get("before") or ""
    below = [one for one in found if not before.isdecimal() or one.number < int(before)]
    shown = below[: table.PAGE]
    with st.container(horizontal=True):
        st.button(
            t("knowledge.name_newest"), key="snapshot_name", on_click=url.open_drawer,
            args=("name",), icon=":material/label:",
        )  # fmt: skip
        st.button(
            t("knowledge.drop_older"), key="snapshot_drop", on_click=url.open_drawer,
            args=("drop",), icon=":material/delete:", disabled=len(found) < 2,
        )  # fmt: skip
    table.catalogue(
        "snapshots", [_row(one) for one in shown], {c: raw(f"columns.{c}") for c in COLUMNS},
        alt=raw("knowledge.tab_snapshots"),
        opens=lambda row: url.replace(
            id=seen.base.name, tab="search", snap=None if _is_newest(seen, row) else row["number"]
        ),
    )  # fmt: skip
    st.caption(t("knowledge.snapshot_opens"))
    _pager(len(below) > table.PAGE, shown)
    if len(found) > 1:
        _difference(seen, found)
    with access.reading() as session:
        used = uses.runs_of_base(session, seen.base.id)
    uses.apps_links("base", seen.base.name)
    if used:
        st.subheader(t("knowledge.used"), anchor=False)
        uses.runs_table("base_used", used[: table.PAGE], raw("knowledge.used"))


def _is_newest(seen: View, row: object) -> bool:
    return isinstance(row, dict) and row["number"] == seen.base.snapshot


def _row(one: Snapshot) -> dict[str, object]:
    return {
        "snapshot": str(one.number),
        "number": one.number,
        "message": one.message,
        "documents": numbers.count(one.documents),
        "chunks": numbers.count(one.chunks),
        "author": one.actor.removeprefix("user:"),
        "when": numbers.moment(one.at),
    }


def _pager(more: bool, shown: list[Snapshot]) -> None:
    if not more and url.get("before") is None:
        return
    with st.container(horizontal=True):
        st.button(
            t("table.first"), key="snapshots_first", type="tertiary", shortcut=url.shortcut("P"),
            disabled=url.get("before") is None, on_click=partial(url.put, before=None),
        )  # fmt: skip
        st.button(
            t("table.next"), key="snapshots_next", type="tertiary", shortcut=url.shortcut("N"),
            disabled=not more, on_click=partial(url.put, before=shown[-1].number if shown else 0),
        )  # fmt: skip


def _difference(seen: View, found: list[Snapshot]) -> None:
    numbers_there = [one.number for one in found]
    st.subheader(t("knowledge.difference_of"), anchor=False)
    with st.container(horizontal=True):
        old = _number("a", numbers_there, 1)
        new = _number("b", numbers_there, 0)
    with access.reading() as session:
        changes = snapshots.diff(session, seen.base, old, new)
    if not changes:
        st.caption(t("knowledge.no_difference"))
        return
    rows = [
        {
            "document": one.name,
            "change": raw(f"knowledge.change_{one.change}"),
            "before": one.chunks_before,
            "after": one.chunks_after,
        }
        for one in changes[: table.PAGE]
    ]
    headings = {
        "document": raw("columns.document"),
        "change": raw("columns.change"),
        "before": raw("knowledge.chunks_before"),
        "after": raw("knowledge.chunks_after"),
    }
    table.still(rows, headings, alt=raw("knowledge.difference_of"), widths={"document": 320})
    if len(changes) > table.PAGE:
        st.caption(t("knowledge.first_of", shown=table.PAGE, n=numbers.count(len(changes))))


def _number(param: str, offered: list[int], usual: int) -> int:
    key = f"snapshots_{param}"
    asked = url.get(param) or ""
    there = asked.isdecimal() and int(asked) in offered
    current = st.session_state[key] = int(asked) if there else offered[usual]

    def changed() -> None:
        url.put(**{param: st.session_state[key]})

    st.selectbox(t(f"knowledge.snapshot_{param}"), offered, key=key, on_change=changed, width=180)
    return current
