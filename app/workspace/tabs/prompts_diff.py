"""What changed between any two versions: words and settings."""

import streamlit as st

from app.workspace.components import access, content_diff, url
from app.workspace.strings import raw, t
from prompts import service
from prompts.diff import diff
from prompts.models import PromptPublic


def draw(version: PromptPublic) -> None:
    with access.reading() as session:
        versions = service.history(session, version.name)
    if len(versions) < 2:
        st.caption(t("prompts.one_version"))
        return
    numbers = [one.version for one in versions]
    notes = {one.version: one.message for one in versions}
    left, right = st.columns(2)
    with left:
        before = _pick("a", numbers, notes, numbers[1])
    with right:
        after = _pick("b", numbers, notes, numbers[0])
    with access.reading() as session:
        old, new = (service.get(session, version.name, ref).content for ref in (before, after))
    content_diff.draw(diff(old, new), "prompts")


def _pick(name: str, numbers: list[int], notes: dict[int, str], default: int) -> int:
    asked = url.get(name)
    current = int(asked) if asked and asked.isdecimal() and int(asked) in numbers else default
    key = f"prompts_diff_{name}"
    st.session_state[key] = current

    def changed() -> None:
        url.put(**{name: st.session_state[key]})

    return st.selectbox(
        t(f"prompts.diff_{name}"), numbers, key=key, on_change=changed,
        format_func=lambda n: raw("prompts.version_note", n=n, note=notes[n]).rstrip(" ·"),
    )  # fmt: skip
