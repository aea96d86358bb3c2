"""A run as files."""

import io
from functools import partial

import streamlit as st

from app.report.exporting import export_run
from app.server import context
from app.workspace.components import access
from app.workspace.strings import language, raw, t
from evalsets.labels.exporting import export_labels

FORMS = ("html", "xlsx", "csv", "jsonl", "junit")
_ENDINGS = {"junit": "xml"}


def draw(run_id: str) -> None:
    """A button a format; the file is made when it is pressed."""
    for form in FORMS:
        st.download_button(
            t("prompts.download", form=raw("report.html") if form == "html" else form.upper()),
            data=partial(_written, run_id, form, language(), access.actor()),
            file_name=f"run-{run_id}.{_ENDINGS.get(form, form)}", icon=":material/download:",
            on_click="ignore", key=f"run_export_{form}",
        )  # fmt: skip
    st.download_button(
        t("prompts.download", form=raw("storage.labels")), data=partial(_labels, run_id),
        file_name=f"labels-{run_id}.jsonl", icon=":material/download:", on_click="ignore",
        key="run_export_labels",
    )  # fmt: skip


def _written(run_id: str, form: str, tongue: str, actor: str) -> bytes:
    """Made when it is fetched, outside of the page: who asks and in which language come along."""
    out = io.BytesIO()
    export_run(context.current().database, actor, run_id, form, out, tongue)
    return out.getvalue()


def _labels(run_id: str) -> str:
    with access.reading() as session:
        return "".join(f"{line.rstrip()}\n" for line in export_labels(session, run_id))
