"""Home: what needs me, what did I leave open; at first, three steps."""

import streamlit as st

from app.workspace.components import access, attention, header, navigation, numbers, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t


def first_start(steps: attention.Steps) -> None:
    st.subheader(t("home.begin"), anchor=False)
    with st.grid("auto", min_column_width=260, border=True, key="first_steps"):
        _step("model", steps.model, attention.connect)
        _step("example", steps.example, _example)
        _step("prompt", steps.prompt, _new)


def _step(name: str, is_done: bool, action) -> None:
    with st.container(gap="xsmall", key=f"step_{name}"):
        st.badge(
            t("home.done" if is_done else "home.open"), color="green" if is_done else "gray",
            icon=":material/check:" if is_done else ":material/circle:",
        )  # fmt: skip
        st.text(raw(f"home.step_{name}"))
        st.caption(t(f"home.step_{name}_why"))
        if not is_done or name == "model":
            action()


def _example() -> None:
    if st.button(t("home.load_example"), type="primary", icon=":material/download:"):
        found = attention.load_example()
        if found is not None:
            url.go("prompts", id=found)


def _new() -> None:
    if st.button(t("prompts.new"), icon=":material/add:"):
        url.go("prompts", do="new")


def _start() -> None:
    if st.button(t("prompts.new"), type="primary", icon=":material/add:", key="home_new"):
        url.go("prompts", do="new")


def continue_with() -> None:
    with access.reading() as session:
        touched = navigation.touched(session, access.actor(), 8)
    if not touched:
        return
    st.subheader(t("home.continue"), anchor=False)
    with st.grid("auto", min_column_width=220, gap="xsmall"):
        for row in touched:
            with st.container(gap=None):
                icon = navigation.ICONS[row.page]
                url.link(row.page, plain(row.title), icon=icon, id=row.ref)
                st.caption(plain(f"{row.kind} · {numbers.ago(row.at)}"))


steps = attention.steps()
header.head(raw("home.title"), actions=_start if steps.finished else None)
if not steps.finished:
    first_start(steps)
attention.needs_you()
continue_with()
attention.health()
