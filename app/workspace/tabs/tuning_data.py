"""What a training learns from: its version, how much of it, and the rows as the model sees them."""

from pathlib import Path

import streamlit as st

from app.workspace.components import access, navigation, numbers, table, tuning, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import datasets_training
from core.errors import NotFound
from evalsets.datasets import service as datasets
from tuning.jobs import JobPublic
from tuning.manifest import RowsRef


def draw(job: JobPublic) -> None:
    """Frozen when it was started."""
    manifest = job.manifest
    parts = [(raw("tuning.rows_learned"), manifest.data)]
    if manifest.evaluation is not None:
        parts.append((raw("tuning.rows_held_out"), manifest.evaluation))
    columns = ("part", "data", "rows", "hash")
    table.still(
        [_line(name, part) for name, part in parts],
        {column: raw(f"tuning.data_{column}") for column in columns},
        alt=raw("tuning.tab_data"), widths={"hash": 420},
    )  # fmt: skip
    if manifest.evaluation is None:
        st.caption(t("tuning.no_evaluation"))
    url.link(
        "datasets", plain(tuning.data_ref(job)), navigation.ICONS["datasets"],
        id=manifest.data.dataset, v=manifest.data.version, tab="training",
    )  # fmt: skip
    try:
        with access.reading() as session:
            version = datasets.get(session, manifest.data.dataset, manifest.data.version)
    except NotFound as error:
        tuning.notice(error.message)
        return
    datasets_training.checks(version, manifest.method.rows)
    datasets_training.rows(version, Path(manifest.base.path))


def _line(name: str, part: RowsRef) -> dict[str, str]:
    return {
        "part": name, "data": f"{part.dataset}@{part.version}", "rows": numbers.count(part.rows),
        "hash": part.hash,
    }  # fmt: skip
