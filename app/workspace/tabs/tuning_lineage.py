"""What a trained model was made of, each parent with its hash and a link to its page."""

import streamlit as st

from app.workspace.components import access, navigation, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import t
from connectors.backends.models import Backend
from connectors.models import Model
from core.names import split_ref
from tuning.jobs import JobPublic
from tuning.lineage import Parent, lineage_of

_RUNS = ("run", "proof")


def draw(job: JobPublic) -> None:
    """From the base and the labeled runs to the published model."""
    with access.reading() as session:
        found = lineage_of(session, access.database().settings.data, job.id)
    for place, one in enumerate(found):
        with st.container(key=f"tuning_parent_{place}", border=True, gap=None):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.badge(t(f"tuning.parent_{one.kind}"), color="gray")
                _name(one)
            if one.kind == "model":
                _server(one.detail)
            elif one.detail:
                st.text(visible(one.detail))
            if one.hash:
                st.caption(plain(f"sha256 {one.hash}"))


def _name(one: Parent) -> None:
    label = plain(one.name)
    if one.kind == "dataset":
        name, version = split_ref(one.name)
        icon = navigation.ICONS["datasets"]
        url.link("datasets", label, icon, id=name, v=version, tab="training")
    elif one.kind in _RUNS:
        tab = "verdict" if one.kind == "proof" else None
        url.link("runs", label, navigation.ICONS["runs"], id=one.name, tab=tab)
    elif one.kind == "prompt":
        url.link("prompts", label, navigation.ICONS["prompts"], id=split_ref(one.name)[0])
    elif one.kind == "model":
        url.link("models", label, navigation.ICONS["models"], id=one.name)
    elif one.kind == "base" and (page := _page(one.name)) is not None:
        url.link(page, label, navigation.ICONS[page], id=one.name)
    else:
        st.text(visible(one.name), width="content")


def _server(name: str) -> None:
    if name:
        words = t("tuning.served_by", name=name)
        url.link("backends", words, navigation.ICONS["backends"], id=name)


def _page(name: str) -> str | None:
    """The page of a model or backend of this name; a base may be a folder."""
    with access.reading() as session:
        if session.get(Backend, name) is not None:
            return "backends"
        return "models" if session.get(Model, name) is not None else None
