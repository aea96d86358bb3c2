"""The cases of a version: a list left, the whole case right, edits as a new version."""

from typing import Any, NamedTuple

import streamlit as st

from app.workspace.components import access, search_box, table, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from app.workspace.tabs import datasets_edit
from evalsets.datasets import cases as dataset_cases
from evalsets.datasets.cases import CasePublic
from evalsets.datasets.service import DatasetPublic


def draw(version: DatasetPublic) -> None:
    if datasets_edit.active(version):
        datasets_edit.draw(version)
        return
    chosen = _filters(version)
    after = url.get("after")
    with access.reading() as session:
        page = dataset_cases.page_cases(
            session, version.version_id, after=int(after) if after else None,
            split=chosen.split, tag=chosen.tag, search=chosen.search,
        )  # fmt: skip
    if not page.cases:
        st.caption(t("datasets.no_match"))
        return
    left, right = st.columns([3, 2], gap="medium")
    columns = ["id", *version.columns[:6], "expected", "split", "tags"]
    rows = [_row(case) for case in page.cases]
    shown = [c for c in columns if any(row.get(c) not in (None, "", []) for row in rows)]
    with left:
        table.grid(
            "datasets", rows, {c: _heading(c) for c in shown}, alt=raw("datasets.tab_cases"),
            on_cell=lambda row, _: url.put(sel=page.cases[row].case_id),
        )  # fmt: skip
        following = None if page.after is None else str(page.after)
        table.pager("datasets", before="" if after else None, after=following)
    with right:
        chosen = next((c for c in page.cases if c.case_id == url.get("sel")), page.cases[0])
        _inspect(chosen)


def _heading(column: str) -> str:
    fixed = {"id", "expected", "split", "tags"}
    return raw(f"columns.case_{column}") if column in fixed else column


def _row(case: CasePublic) -> dict[str, Any]:
    fixed = {"id": case.case_id, "expected": case.expected, "split": case.split, "tags": case.tags}
    return {**case.inputs, **fixed}


class _Chosen(NamedTuple):
    split: str | None
    tag: str | None
    search: str | None


def _filters(version: DatasetPublic) -> _Chosen:
    with access.reading() as session:
        counts = dataset_cases.split_counts(session, version.version_id)
        tags = dataset_cases.tag_counts(session, version.version_id)
    splits = {name: n for name, n in counts.items() if name is not None}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = search_box.draw("datasets_cases", "q", "table.search", after=None, sel=None)
        split = table.facet("datasets", "split", splits, raw("columns.case_split"))
        tag = table.facet("datasets", "tag", tags, raw("prompts.tag"))
        if version.version == version.newest:
            st.button(
                t("datasets.edit"), key="datasets_edit", icon=":material/edit:",
                on_click=datasets_edit.begin,
            )  # fmt: skip
    return _Chosen(split, tag, search or None)


def _inspect(case: CasePublic) -> None:
    with st.container(border=True, key="inspector", gap="xsmall"):
        st.caption(t("columns.case_id"))
        st.text(visible(case.case_id))
        for name, value in case.inputs.items():
            st.caption(plain(name))
            if isinstance(value, str):
                st.text(visible(value))
            else:
                st.json(value)
        if case.expected is not None:
            st.caption(t("columns.case_expected"))
            st.text(visible(case.expected))
        if case.tags or case.split:
            st.caption(plain(" · ".join(filter(None, [case.split, *case.tags]))))
