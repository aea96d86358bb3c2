"""Where everything lies and how large it is."""

import streamlit as st
from sqlalchemy import func
from sqlmodel import select

from app.server import context
from app.workspace.components import access, numbers, table
from app.workspace.strings import raw, t
from connectors.models import Model
from evalsets.models import Answer, Case, Dataset, Label, Run
from prompts.models import Prompt, PromptVersion

_TABLES = {
    "prompts": Prompt,
    "versions": PromptVersion,
    "datasets": Dataset,
    "cases": Case,
    "runs": Run,
    "answers": Answer,
    "labels": Label,
    "models": Model,
}


def draw() -> None:
    here = context.current()
    folder = here.settings.data
    size = sum(path.stat().st_size for path in folder.glob("*.db*"))
    st.caption(t("settings.data_folder"))
    st.code(str(folder), language=None)
    st.caption(t("settings.database"))
    engine = "SQLite" if here.database.is_sqlite else "PostgreSQL"
    st.text(f"{engine} · {size / 1e6:.1f} MB" if here.database.is_sqlite else engine)
    with access.reading() as session:
        counts = {
            name: session.exec(select(func.count()).select_from(kind)).one()
            for name, kind in _TABLES.items()
        }
    rows = [{"name": raw(f"storage.{k}"), "value": numbers.count(n)} for k, n in counts.items()]
    table.still(
        rows, {"name": raw("settings.objects"), "value": raw("columns.value")},
        alt=raw("settings.objects"),
    )  # fmt: skip
    st.caption(t("settings.backup_how"))
