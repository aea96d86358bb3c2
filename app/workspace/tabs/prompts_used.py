"""Where a prompt is used: by apps, and in its runs, newest first."""

import streamlit as st

from app.workspace.components import access, uses
from app.workspace.strings import raw, t
from prompts.models import PromptPublic


def draw(version: PromptPublic) -> None:
    with access.reading() as session:
        found = uses.runs_of_prompt(session, version.name)
    uses.apps_links("prompt", version.name)
    if not found:
        st.caption(t("prompts.unused_yet"))
        return
    uses.runs_table("used", found, raw("prompts.tab_used"))
