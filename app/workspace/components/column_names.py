"""What columns of a file are called in its data set: as in the file, or as a prompt calls them."""

from collections.abc import Sequence

import streamlit as st

from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import Invalid

_MOST = 40
"""Fields of one drawer; of a wider file the first columns can be renamed here."""


def mapping(columns: Sequence[str], key: str) -> dict[str, str]:
    """{variable: column} of what is renamed; raises Invalid where two columns get one name."""
    expected = _expected(columns, key)
    given = {"expected": expected} if expected else {}
    with st.expander(t("datasets.rename")):
        st.caption(t("datasets.rename_help"))
        left, right = st.columns(2, wrap=False)
        for place, column in enumerate(one for one in columns[:_MOST] if one != expected):
            name = (left, right)[place % 2].text_input(
                plain(column), placeholder=column, key=f"{key}_{column}", max_chars=128
            )
            _add(given, name.strip(), column)
    return given


def _expected(columns: Sequence[str], key: str) -> str | None:
    if "expected" in columns or len(columns) < 2:
        return None
    return st.selectbox(
        t("datasets.expected_column"), columns, index=None, placeholder=raw("datasets.none"),
        key=f"{key}_expected_column",
    )  # fmt: skip


def _add(given: dict[str, str], name: str, column: str) -> None:
    if not name or name == column:
        return
    if name in given:
        raise Invalid(raw("datasets.renamed_twice", one=given[name], other=column, name=name))
    given[name] = column
