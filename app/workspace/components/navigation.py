"""Which pages there are, where, and for whom."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access
from app.workspace.strings import raw, t
from core.drafts import recent


class Place(NamedTuple):
    """A page in the navigation; `roles` names who sees it."""

    page: str
    icon: str
    section: str
    roles: frozenset[str]


_ALL = frozenset({"admin", "publisher", "engineer", "annotator", "viewer"})
_MAKERS = _ALL - {"annotator"}
_LABELERS = _ALL
_SHIPPERS = frozenset({"admin", "publisher", "viewer"})
_ADMIN = frozenset({"admin"})

PLACES = (
    Place("home", ":material/home:", "", _ALL),
    Place("prompts", ":material/edit_note:", "build", _MAKERS),
    Place("playground", ":material/view_column:", "build", _MAKERS),
    Place("datasets", ":material/dataset:", "build", _MAKERS),
    Place("knowledge", ":material/menu_book:", "build", _MAKERS),
    Place("runs", ":material/grid_on:", "prove", _MAKERS),
    Place("label", ":material/rate_review:", "prove", _LABELERS),
    Place("evaluators", ":material/rule:", "prove", _MAKERS),
    Place("apps", ":material/rocket_launch:", "ship", _SHIPPERS),
    Place("traces", ":material/receipt_long:", "ship", _SHIPPERS),
    Place("review", ":material/reviews:", "ship", _SHIPPERS | {"annotator"}),
    Place("keys", ":material/key:", "ship", _SHIPPERS),
    Place("models", ":material/memory:", "models", _MAKERS),
    Place("backends", ":material/dns:", "models", _MAKERS),
    Place("tuning", ":material/model_training:", "models", _MAKERS),
    Place("settings", ":material/settings:", "admin", _ADMIN),
)
_OBJECTS: Mapping[str, str] = {
    "prompt": "prompts",
    "scene": "playground",
    "dataset": "datasets",
    "kb": "knowledge",
    "run": "runs",
    "app": "apps",
    "model": "models",
    "backend": "backends",
    "tuning": "tuning",
}
ICONS: Mapping[str, str] = {place.page: place.icon for place in PLACES}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "label": {"w": "label_correction", "t": "label_comment"},
    "review": {"w": "review_correction"},
}
"""By page: a letter and the key of the field that it focuses."""


class Touched(NamedTuple):
    """An object that a person worked on, and the page that opens it."""

    page: str
    ref: str
    title: str
    kind: str
    at: datetime


def touched(session: Session, actor: str, limit: int) -> list[Touched]:
    """What a person worked on last, newest first."""
    return [
        Touched(_OBJECTS[row.kind], row.ref, row.title, raw(f"kinds.{row.kind}"), row.at)
        for row in recent(session, actor, limit)
        if row.kind in _OBJECTS
    ]


def sees(page: str) -> bool:
    """Whether who looks has this page."""
    return any(place.page == page and access.role() in place.roles for place in PLACES)


def sections(role: str) -> dict[str, list[st.Page]]:
    """The navigation of a role, by translated section."""
    found: dict[str, list[st.Page]] = {}
    for place in PLACES:
        if role in place.roles:
            title = t(f"navigation.section_{place.section}") if place.section else ""
            found.setdefault(title, []).append(
                st.Page(
                    f"{place.page}.py",
                    title=t(f"navigation.{place.page}"),
                    icon=place.icon,
                    url_path=place.page,
                    default=place.page == "home",
                )
            )
    return found
