"""The runs over a data set, newest first."""

import streamlit as st

from app.workspace.components import access, numbers, states, table, url, uses
from app.workspace.strings import raw, t
from evalsets.datasets.service import DatasetPublic


def draw(version: DatasetPublic) -> None:
    with access.reading() as session:
        found = uses.runs_of_dataset(session, version.name)
    if not found:
        st.caption(t("datasets.unused"))
        return
    rows = [
        {
            "name": run.title or f"{run.dataset}@{run.dataset_version}",
            "arms": uses.arm_names(run),
            "state": states.run_badge(run.status)[0],
            "when": numbers.ago(run.created_at),
            "id": run.id,
        }
        for run in found
    ]
    columns = ("name", "arms", "state", "when")
    table.catalogue(
        "dataset_used", rows, {c: raw(f"columns.{c}") for c in columns},
        alt=raw("datasets.tab_used"), opens=lambda row: url.leave("runs", id=row["id"]),
    )  # fmt: skip
