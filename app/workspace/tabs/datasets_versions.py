"""The versions of a data set and what changed between them."""

import streamlit as st

from app.workspace.components import access, numbers, table, url
from app.workspace.strings import raw, t
from evalsets.datasets import cases as dataset_cases
from evalsets.datasets import service as datasets
from evalsets.datasets.service import DatasetPublic


def draw(version: DatasetPublic) -> None:
    with access.reading() as session:
        versions = datasets.history(session, version.name)
    rows = [
        {
            "version": one.version,
            "cases": numbers.count(one.cases),
            "source": one.source,
            "message": one.message,
            "author": one.author.removeprefix("user:"),
            "when": numbers.moment(one.created_at),
        }
        for one in versions
    ]
    columns = ("version", "cases", "source", "message", "author", "when")
    table.catalogue(
        "versions", rows, {c: raw(f"columns.{c}") for c in columns},
        alt=raw("datasets.tab_versions"),
        opens=lambda row: url.replace(id=version.name, v=row["version"]),
    )  # fmt: skip
    if len(versions) > 1:
        _difference(version.name, versions[1].version, versions[0].version)


def _difference(name: str, before: int, after: int) -> None:
    with access.reading() as session:
        found = dataset_cases.diff(session, name, before, after, limit=50)
    st.subheader(t("datasets.changed", before=before, after=after), anchor=False)
    st.caption(
        t(
            "datasets.change_counts",
            added=found.added, removed=found.removed, changed=found.changed, same=found.unchanged,
        )
    )  # fmt: skip
    if found.changes:
        rows = [
            {
                "case": change.case_id,
                "before": change.before.inputs if change.before else numbers.MISSING,
                "after": change.after.inputs if change.after else numbers.MISSING,
            }
            for change in found.changes
        ]
        columns = ("case", "before", "after")
        table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("datasets.changes"))
