"""A case from what one looks at: added to a data set as its next version."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, drawer
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import NotFound
from evalsets.datasets import service as datasets
from evalsets.datasets.edits import add_case, load_cases, with_case
from evalsets.files.cases import ParsedCases


def draw(
    inputs: Mapping[str, Any], *, proposed: str, expected: str | None, message: str
) -> str | None:
    """The drawer's body; the version that holds the case, once it is saved."""
    for name, value in inputs.items():
        st.caption(plain(name))
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        st.code(text, language=None, wrap_lines=True)
    with access.reading() as session:
        known = [row.name for row in datasets.list_datasets(session, limit=200)]
    options = list(dict.fromkeys([proposed, *known]))
    with drawer.form("case_adding"):
        dataset = st.selectbox(
            t("datasets.case_dataset"), options, key="case_dataset", accept_new_options=True,
            help=t("datasets.case_dataset_help"),
        )  # fmt: skip
        wanted = st.text_area(
            t("datasets.case_expected"), value=expected or "", key="case_expected", height=120
        )
        saved = drawer.submit_outside(
            "datasets.case_save", lambda: _save(dataset.strip(), inputs, wanted or None, message)
        )
    if saved is not None:
        access.saved("datasets.case_saved", ref=saved)
    return saved


def _save(name: str, inputs: Mapping[str, Any], expected: str | None, message: str) -> str:
    """Read and check outside of the transaction that stores."""
    with access.reading() as session:
        version, before = _stored(session, name)
    parsed = with_case(before, inputs, expected)
    _ = parsed.hash
    with access.writing() as session:
        pushed = add_case(session, name, parsed, based_on=version, message=message)
    return pushed.version.ref


def _stored(session: Session, name: str) -> tuple[int | None, ParsedCases | None]:
    try:
        newest = datasets.get(session, name)
    except NotFound:
        return None, None
    return newest.version, load_cases(session, name, newest.version)


def proposed_name(name: str, *, hidden: bool) -> str:
    """The data set that a case belongs to; an imported run's own one is shown in no list."""
    return raw("datasets.case_new_name", name=name) if hidden else name
