"""What changed between two contents of a prompt: words in line or side by side, and settings."""

import streamlit as st

from app.workspace.components import output, side_by_side, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from prompts.diff import ContentDiff
from prompts.side_by_side import rows


def draw(found: ContentDiff, page: str) -> None:
    """The messages, the snippets and the settings that differ, as the address of `page` asks."""
    look = url.choice(
        page, "look", ("inline", "two"), lambda c: raw(f"prompts.diff_{c}"),
        raw("playground.view"),
    )  # fmt: skip
    if not found.changed:
        st.caption(t("prompts.no_change"))
    for place, message in enumerate((*found.messages, *found.snippets)):
        role = message.after or message.before or ""
        state = "added" if message.before is None else "removed" if message.after is None else None
        said = f" · {raw(f'prompts.message_{state}')}" if state else ""
        st.caption(plain(f"{role}{said}"))
        if look == "two":
            side_by_side.draw(
                rows(message.pieces), key=f"diff_two_{place}", label=raw("prompts.tab_diff")
            )
        else:
            output.compared(message.pieces, key=f"diff_{place}", label=raw("prompts.tab_diff"))
    if found.settings:
        st.subheader(t("prompts.settings"), anchor=False)
        columns = ("part", "name", "before", "after")
        table.still(
            [setting._asdict() for setting in found.settings],
            {c: raw(f"columns.{c}") for c in columns},
            alt=raw("prompts.settings"),
        )
