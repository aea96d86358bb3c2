"""What works here, what is missing, and how to fix it."""

import streamlit as st

from app.workspace.components import access, doctor, table
from app.workspace.strings import raw, t

_SIGNS = {"ok": "✓", "note": "–", "wrong": "!"}


def draw() -> None:
    st.button(t("settings.doctor_run"), on_click=doctor.findings.clear, icon=":material/redo:")
    with access.shown_errors(), st.skeleton(height=200):
        found = doctor.findings()
        rows = [
            {
                "state": f"{_SIGNS[one.state]} {raw(f'settings.doctor_{one.state}')}",
                "check": one.what,
                "finding": one.message,
            }
            for one in found
        ]
        columns = ("state", "check", "finding")
        table.still(
            rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("settings.tab_doctor"),
            widths={"state": 110, "check": 160},
        )  # fmt: skip
