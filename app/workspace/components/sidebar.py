"""What stands beside every page: the way to anything, who looks, the language, what lives."""

from pathlib import Path

import streamlit as st

from app.server import context
from app.workspace import strings
from app.workspace.components import access, navigation, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.demo import demo_state
from core.models import User
from core.users import set_language
from evalsets.runs.worker_note import worker_alive

_ASSETS = Path(__file__).parent.parent / "assets"
_GOTO = "goto"
_NAMES = {"en": "EN", "zh": "中文"}


def draw(user: User) -> None:
    """Logo, "Go to", and the foot; the navigation stands between."""
    st.logo(_ASSETS / "logo.png", size="large", icon_image=_ASSETS / "icon.png")
    with st.sidebar:
        _goto(user)
        _foot(user)


def _goto(user: User) -> None:
    with access.reading() as session:
        touched = navigation.touched(session, access.actor(), 200)
    pages = [p.page for p in navigation.PLACES if user.role in p.roles]
    titles = {page: raw(f"navigation.{page}") for page in pages}
    for row in touched:
        titles[f"{row.page}?{row.ref}"] = f"{row.title} · {row.kind}"
    chosen = st.session_state.get(_GOTO)
    if chosen in titles:
        st.session_state[_GOTO] = None
        page, _, ref = str(chosen).partition("?")
        url.go(page, id=ref or None)
    st.selectbox(
        t("sidebar.goto"),
        list(titles),
        index=None,
        format_func=titles.__getitem__,
        key=_GOTO,
        placeholder=raw("sidebar.goto_hint"),
        label_visibility="collapsed",
    )


def _foot(user: User) -> None:
    key = "sidebar_language"
    st.session_state[key] = strings.language()

    def switched() -> None:
        picked = st.session_state[key]
        access.act(lambda session: set_language(session, user.name, picked))

    with st.container(horizontal=True, vertical_alignment="center", key="sidebar_foot"):
        st.caption(plain(user.name))
        st.segmented_control(
            t("sidebar.language"),
            list(strings.LANGUAGES),
            format_func=_NAMES.__getitem__,
            key=key,
            on_change=switched,
            required=True,
            label_visibility="collapsed",
        )


def states() -> None:
    """Whether runs are taken, and whether the embedded model is awake: two cheap looks."""
    here = context.current()
    worker = "worker_runs" if worker_alive(here.database) else "worker_gone"
    demo = f"demo_{demo_state(here.settings.data)}"
    st.caption(f"{t(f'sidebar.{worker}')} · {t(f'sidebar.{demo}')}")
