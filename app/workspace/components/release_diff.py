"""What changed between two releases, on a page: words of messages, then settings."""

import streamlit as st

from app.workspace.components import output, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from serving.diffing import ReleaseDiff, diff
from serving.manifest import ReleaseManifest


def draw(before: ReleaseManifest, after: ReleaseManifest, key: str) -> None:
    """Only what differs; one sentence where nothing does."""
    found = diff(before, after)
    if not found.changed:
        st.caption(t("apps.no_difference"))
        return
    for place, message in enumerate(found.messages):
        if message.changed:
            st.caption(plain(message.after or message.before or ""))
            output.compared(message.pieces, key=f"{key}_{place}", label=raw("apps.difference"))
    _settings(found)


def _settings(found: ReleaseDiff) -> None:
    if not found.changes:
        return
    rows = [
        {
            "part": raw(f"apps.part_{one.part}"),
            "name": one.name,
            "before": one.before,
            "after": one.after,
        }
        for one in found.changes
    ]
    table.still(
        rows, {c: raw(f"columns.{c}") for c in ("part", "name", "before", "after")},
        alt=raw("apps.difference"),
    )  # fmt: skip


def other(number: int) -> int:
    """The release that the open one is compared with: the one before it unless chosen."""
    asked = url.get("a") or ""
    there = asked.isdecimal() and int(asked) > 0 and int(asked) != number
    current = st.session_state["releases_a"] = int(asked) if there else number - 1

    def changed() -> None:
        typed = st.session_state["releases_a"]
        url.put(a=None if typed in (None, number - 1) else typed)

    st.number_input(
        t("apps.compare_with"), 1, None, key="releases_a", on_change=changed, width=180, step=1
    )
    return current
