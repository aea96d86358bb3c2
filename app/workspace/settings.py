"""Settings of the workspace: language and defaults, storage, and what works here."""

import streamlit as st

from app.workspace.components import header, url
from app.workspace.strings import raw
from app.workspace.tabs import settings_doctor, settings_general, settings_storage

TABS = {
    "general": settings_general.draw,
    "storage": settings_storage.draw,
    "doctor": settings_doctor.draw,
}

header.head(raw("settings.title"))
chosen = url.choice(
    "settings", "tab", list(TABS), lambda c: raw(f"settings.tab_{c}"), raw("settings.title")
)
with st.container(key="settings_body"):
    TABS[chosen]()
