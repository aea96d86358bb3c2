"""What a prompt includes, and where it is used: by prompts, by apps, and in its runs."""

import streamlit as st

from app.workspace.components import access, snippet_uses, uses
from app.workspace.strings import raw, t
from prompts.models import PromptPublic


def draw(version: PromptPublic) -> None:
    with access.reading() as session:
        found = uses.runs_of_prompt(session, version.name)
    snippet_uses.included(version)
    snippet_uses.users(version.name)
    uses.apps_links("prompt", version.name)
    if not found:
        st.caption(t("prompts.unused_yet"))
        return
    uses.runs_table("used", found, raw("prompts.tab_used"))
