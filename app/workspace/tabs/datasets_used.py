"""The runs over a data set, newest first."""

import streamlit as st

from app.workspace.components import access, uses
from app.workspace.strings import raw, t
from evalsets.datasets.service import DatasetPublic


def draw(version: DatasetPublic) -> None:
    with access.reading() as session:
        found = uses.runs_of_dataset(session, version.name)
    if not found:
        st.caption(t("datasets.unused"))
        return
    uses.runs_table("dataset_used", found, raw("datasets.tab_used"))
