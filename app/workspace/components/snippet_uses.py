"""Prompts that include a snippet: what its moves would change in them, and new versions of them."""

import streamlit as st

from app.workspace.components import access, output, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from core.names import split_ref
from prompts import service
from prompts.composing import Use
from prompts.diff import diff
from prompts.models import PromptPublic

_SHOWN = 20


def users(name: str) -> None:
    """Who includes it, what is behind, and the button that brings them up to date."""
    with access.reading() as session:
        found = service.used_by(session, name)
    if not found:
        return
    st.subheader(t("prompts.used_by", n=len({one.prompt for one in found})), anchor=False)
    rows = [
        {
            "name": one.prompt, "version": one.version, "ref": one.ref, "pinned": one.pinned,
            "now_means": one.now if one.stale else None,
        }
        for one in found
    ]  # fmt: skip
    columns = {c: raw(f"columns.{c}") for c in ("name", "version", "ref", "pinned", "now_means")}
    table.catalogue(
        "snippet_users", rows, columns, alt=raw("prompts.used_by_alt"),
        opens=lambda row: url.leave("prompts", id=row["name"]),
    )  # fmt: skip
    _misnamed(name, found)
    _offered(list(dict.fromkeys(one.prompt for one in found if one.stale)), "users")


def _misnamed(name: str, found: list[Use]) -> None:
    """Who still writes the name that the snippet had."""
    old = dict.fromkeys(one.prompt for one in found if split_ref(one.ref)[0] != name)
    if old:
        st.caption(t("prompts.named_otherwise", names=", ".join(old), name=name))


def before_rename(name: str) -> None:
    """Who would write an old name."""
    with access.reading() as session:
        names = list(dict.fromkeys(one.prompt for one in service.used_by(session, name)))
    if names:
        st.caption(t("prompts.rename_users", n=len(names), names=", ".join(names)))


def included(version: PromptPublic) -> None:
    """What it includes itself, with the snippets that have moved since."""
    own = [one for one in version.content.includes if one.within is None]
    if not own:
        return
    st.subheader(t("prompts.includes"), anchor=False)
    with access.reading() as session:
        uses = [
            Use(version.name, version.version, one.ref, one.version,
                service.meant(session, one.ref)) for one in own
        ]  # fmt: skip
        called = service.named_now(session, version.name, version.version)
    for one, use in zip(own, uses, strict=True):
        label = raw("prompts.include_is", ref=one.ref, name=one.name, n=one.version)
        now = called.get(one.ref, one.name)
        url.link("prompts", plain(label), ":material/input:", id=now, v=one.version)
        if now != split_ref(one.ref)[0]:
            st.caption(t("prompts.include_renamed", name=now))
        if use.stale:
            st.caption(t("prompts.include_moved", n=use.now))
    if version.version == version.newest and any(use.stale for use in uses):
        _offered([version.name], "own")


def _offered(names: list[str], key: str) -> None:
    """What a refresh would change, and the press that does it; nothing moves by itself."""
    if not names:
        return
    with st.expander(t("prompts.would_change", n=len(names)), key=f"refresh_{key}_diff"):
        for name in names[:_SHOWN]:
            _difference(name, key)

    def pressed() -> None:
        made = [access.act(lambda s, name=name: service.refresh(s, name)) for name in names]
        done = sum(one is not None and one.created for one in made)
        if done:
            access.saved("prompts.refreshed", n=done)

    st.button(
        t("prompts.refresh", n=len(names)), key=f"refresh_{key}", icon=":material/sync:",
        on_click=pressed,
    )  # fmt: skip


def _difference(name: str, key: str) -> None:
    st.text(name)
    try:
        with access.reading() as session:
            before, after = service.refreshing(session, name)
    except PromptstoneError as error:
        st.caption(f":material/error: {plain(error.message)}")
        return
    for place, one in enumerate(diff(before, after).snippets):
        st.caption(plain(f"{one.before or '—'} → {one.after or '—'}"))
        output.compared(
            one.pieces, key=f"refresh_{key}_{name}_{place}", label=raw("prompts.tab_diff")
        )
