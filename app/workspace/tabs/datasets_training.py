"""The rows of a training data set: as the model sees them, checked, with lengths and leaks."""

from pathlib import Path

import streamlit as st

from app.server import row_checks
from app.workspace.components import (
    access,
    header,
    live,
    model_faces,
    numbers,
    row_figures,
    table,
    training_row,
    tuning,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from evalsets.datasets import cases as dataset_cases
from evalsets.datasets.cases import CasePublic
from evalsets.datasets.service import DatasetPublic
from tuning.data.reading import Unread, kind_of, read_row
from tuning.data.rows import answers_of
from tuning.data.texts import asked_text, text_of
from tuning.methods import RowKind

AT_ONCE = 2_000
"""A version of so many rows is checked unasked: it takes a second or two."""


def draw(version: DatasetPublic) -> None:
    kind = kind_of(version.columns)
    if kind is None:
        header.empty("training.none", _make)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(plain(raw(f"training.kind_{kind}")), color="gray")
        st.space("stretch")
        st.button(
            t("training.check"), key="training_check", icon=":material/fact_check:",
            on_click=_start, args=(version, kind),
        )  # fmt: skip
        _make()
        if tuning.may_act():
            st.button(
                t("tuning.train"), key="training_train", icon=":material/play_arrow:",
                on_click=url.leave, args=("tuning",), kwargs={"do": "new", "data": version.ref},
            )  # fmt: skip
    checks(version, kind)
    rows(version)


def _make() -> None:
    st.button(
        t("training.make"), key="training_make", icon=":material/model_training:",
        on_click=url.open_drawer, args=("training",),
    )  # fmt: skip


def _start(version: DatasetPublic, kind: RowKind) -> None:
    row_checks.start(access.database(), version.name, version.version, kind)


def checks(version: DatasetPublic, kind: RowKind) -> None:
    """What a check found; small versions are checked unasked."""
    job = row_checks.find(version.name, version.version)
    if job is None and version.cases <= AT_ONCE:
        job = row_checks.start(access.database(), version.name, version.version, kind)
        job.done.wait(0.3)
    if job is None:
        st.caption(t("training.not_checked", n=numbers.count(version.cases)))
        return

    def shown() -> bool:
        found = row_checks.find(version.name, version.version)
        if found is not None and found.lives:
            st.caption(t("training.checking"))
        elif found is not None and found.error is not None:
            st.error(plain(found.error), icon=":material/error:")
        elif found is not None and found.found is not None:
            row_figures.draw(found.found)
        return found is not None and found.lives

    live.live(shown, alive=job.lives)


def rows(version: DatasetPublic, base: Path | None = None) -> None:
    """Fifty rows as a list, and the open one as `base` reads it, or whichever model is chosen."""
    st.subheader(t("training.rows"), anchor=False)
    after = url.get("after")
    with access.reading() as session:
        page = dataset_cases.page_cases(
            session, version.version_id, after=int(after) if after else None
        )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        columns = ("id", "question", "answer", "split")
        headings = {
            "id": raw("columns.case_id"), "question": raw("columns.question"),
            "answer": raw("columns.answer"), "split": raw("columns.case_split"),
        }  # fmt: skip
        table.grid(
            "training", [_line(case) for case in page.cases], {c: headings[c] for c in columns},
            alt=raw("training.rows"), on_cell=lambda row, _: url.put(sel=page.cases[row].case_id),
        )  # fmt: skip
        following = None if page.after is None else str(page.after)
        table.pager("training", before="" if after else None, after=following)
    with right:
        chosen = next((c for c in page.cases if c.case_id == url.get("sel")), page.cases[:1])
        for case in chosen if isinstance(chosen, list) else [chosen]:
            _inspect(case, base)


def _line(case: CasePublic) -> dict[str, str | None]:
    row = read_row(case.inputs, case.expected)
    if isinstance(row, Unread):
        told = {"question": raw("training.bad_row"), "answer": row.reason}
    else:
        told = {"question": asked_text(row), "answer": text_of(answers_of(row)[0])}
    return {"id": case.case_id, **told, "split": case.split}


def _inspect(case: CasePublic, base: Path | None) -> None:
    row = read_row(case.inputs, case.expected)
    with st.container(border=True, key="inspector", gap="xsmall"):
        st.caption(plain(" · ".join(filter(None, [case.case_id, case.split, *case.tags]))))
        if isinstance(row, Unread):
            st.error(plain(row.reason), icon=":material/error:")
            return
        try:
            face = model_faces.pick() if base is None else model_faces.of(base)
            if face is not None:
                training_row.draw_as_read(row, face, "training_row")
                st.caption(t("training.read_help"))
                return
        except PromptstoneError as error:
            st.caption(f":material/error: {plain(error.message)}")
        training_row.draw(row, "training_row")
        st.caption(t("training.row_help"))
