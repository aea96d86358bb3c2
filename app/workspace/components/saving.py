"""Saving a prompt: the row beside its title, and what happens when somebody was faster."""

import streamlit as st

from app.workspace.components import access, url
from app.workspace.components import working as copies
from app.workspace.components.plain import plain
from app.workspace.components.working import Working, declared, drop, forget, working
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from prompts import service
from prompts.checks import check_content
from prompts.content import PromptContent
from prompts.models import PromptPublic
from prompts.service import VersionConflictError

_CONFLICT = "saving_conflict"


def row(version: PromptPublic) -> None:
    """What changed, and the button that makes a version of it."""
    copy = working(version)
    key = f"save_message_{version.name}_{version.version}"

    def noted() -> None:
        copy.message = st.session_state[key]

    st.text_input(
        t("prompts.save_message"), value=copy.message, key=key, on_change=noted, width=260,
        placeholder=raw("prompts.save_message"), label_visibility="collapsed",
    )  # fmt: skip
    st.button(
        t("prompts.save"), key="save_version", icon=":material/save:", type="primary",
        on_click=_save, args=(version, key), shortcut=url.shortcut("Ctrl+Shift+Enter"),
        disabled=copy.apart,
    )  # fmt: skip
    if copy.is_draft:
        st.button(
            t("prompts.discard"), key="save_discard", on_click=forget, args=(version,),
            type="tertiary",
        )  # fmt: skip


def _save(version: PromptPublic, key: str | None = None) -> None:
    copy = working(version)
    if key is not None:
        copy.message = st.session_state.get(key, copy.message)
    try:
        content = complete(copy)
        with access.writing() as session:
            saved = service.save_version(
                session, copy.name, content, based_on=copy.based_on, message=copy.message
            )
    except VersionConflictError as error:
        st.session_state[_CONFLICT] = (copy.name, error.newer.version, error.newer.author)
        return
    except PromptstoneError as error:
        access.refuse(error)
        return
    drop(version)
    url.replace(id=copy.name)
    said = "prompts.saved" if saved.created else "prompts.nothing_new"
    access.saved(said, n=saved.version.version)


def complete(copy: Working) -> PromptContent:
    """The content with every variable that it reads declared; raises PromptstoneError."""
    content = copy.checked()
    report = check_content(content)
    inputs = [
        variable.model_copy(update={"required": False})
        if variable.name in report.optional and variable not in content.inputs
        else variable
        for variable in declared(content.model_dump(mode="json"), report.used)
    ]
    return content.model_copy(update={"inputs": tuple(inputs)})


def conflict(version: PromptPublic) -> None:
    """Somebody's newer version: compare with it, then save on top of it."""
    found = st.session_state.get(_CONFLICT)
    if found is None or found[0] != version.name:
        return
    copy = working(version)
    _, newer, author = found

    def on_top() -> None:
        copy.based_on = newer
        del st.session_state[_CONFLICT]
        copy.keep()
        _save(version)

    with st.container(border=True, key="save_conflict"):
        st.text(
            raw("prompts.conflict", newer=newer, author=author.removeprefix("user:"),
                base=copy.based_on)
        )  # fmt: skip
        with st.container(horizontal=True):
            url.link(
                "prompts", plain(raw("prompts.compare_newer")), id=version.name, tab="diff",
                a=copy.based_on, b=newer,
            )  # fmt: skip
            st.button(t("prompts.save_on_top", n=newer), on_click=on_top, key="save_on_top")


def apart(version: PromptPublic) -> None:
    """What was opened from a cell stands beside an unsaved draft: which of them shall stay?"""
    if not working(version).apart:
        return
    with st.container(border=True, key="save_apart"):
        st.text(raw("prompts.apart", n=version.version))
        with st.container(horizontal=True):
            st.button(
                t("prompts.to_draft"), key="apart_draft", on_click=copies.to_draft, args=(version,)
            )
            st.button(
                t("prompts.replace_draft"), key="apart_replace", on_click=copies.replace_draft,
                args=(version,), type="tertiary",
            )  # fmt: skip
