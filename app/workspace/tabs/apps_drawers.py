"""Short decisions about apps: a new one, one of a file, its purpose, its end."""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from app.workspace.components import access, app_fields, drawer, publishing, url
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from app.workspace.tabs import apps_moves, apps_parts
from serving import portable, service

Body = Callable[[], None]


def more() -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""
    if not publishing.may_publish():
        return {}
    return {
        "apps.describe": partial(url.open_drawer, "describe"),
        "apps.delete": partial(url.open_drawer, "delete"),
    }


def draw(seen: View | None) -> None:
    """The drawer that the address names."""
    if not publishing.may_publish():
        return
    bodies: Mapping[str, Body]
    if seen is None:
        bodies = {"new": _new, "import": _import}
    else:
        bodies = {
            "describe": partial(_describe, seen),
            "delete": partial(_delete, seen),
            **apps_moves.bodies(seen),
            **apps_parts.bodies(seen),
        }
    which = url.drawer()
    if which is not None and which in bodies:
        drawer.drawer(t(f"apps.drawer_{which}"), partial(_shown, bodies[which]), width=560)


def _shown(body: Body) -> None:
    """A drawer is drawn apart from its page, so its errors are caught in it."""
    with access.shown_errors():
        body()


def _new() -> None:
    parts = app_fields.parts()
    with drawer.form("app_new"):
        name = st.text_input(t("apps.name"), help=t("prompts.name_help"))
        prompt = app_fields.prompt(parts, "app_new_prompt", url.get("prompt"))
        model = app_fields.model(parts, "app_new_model", None)
        base = app_fields.base(parts, "app_new_base", None)
        kind = app_fields.kind("app_new_kind", None)
        description = st.text_input(t("apps.description"))

        def create() -> str:
            fields = {
                "prompt": prompt or "", "model": model or "",
                "knowledge": None if base is None else {"kb": base},
            }  # fmt: skip
            return publishing.make(name, fields, kind, description)

        created = drawer.submit_outside("apps.create", create)
    if created is not None:
        drawer.done(id=created, tab="try")


def _import() -> None:
    st.text(raw("apps.import_help"))
    megabytes = portable.MOST_BYTES >> 20
    file = st.file_uploader(t("apps.file"), type=["json"], max_upload_size=megabytes)
    with drawer.form("app_import"):
        name = st.text_input(t("apps.import_name"), placeholder=raw("apps.import_same"))

        def take() -> portable.Imported:
            publishing.checked_role()
            parsed = portable.read_file(file.getvalue() if file else b"")
            with access.writing() as session:
                return portable.take(session, parsed, name.strip() or None)

        found = drawer.submit_outside("apps.import_verb", take)
    if found is not None:
        for notice in found.notices:
            st.toast(plain(notice))
        drawer.done(id=found.released.app, tab="releases", sel=found.released.number)


def _describe(seen: View) -> None:
    with drawer.form("app_describe"):
        description = st.text_area(t("apps.description"), seen.app.description, height=120)
        kept = drawer.submit(
            "prompts.keep",
            lambda s: (service.describe(s, seen.name, description), True),
        )
    if kept is not None:
        drawer.done(id=seen.name)


def _delete(seen: View) -> None:
    name = seen.name
    st.text(raw("apps.delete_what", name=name))
    with drawer.form("app_delete"):
        typed = st.text_input(t("knowledge.type_name", name=name), key="delete_typed")
        pressed = st.form_submit_button(t("apps.delete_now"), type="primary")
    if not pressed:
        return
    if typed.strip() != name:
        st.error(t("knowledge.wrong_name", name=name), icon=":material/error:")
        return
    if publishing.act(lambda session: (service.delete_app(session, name), True)):
        drawer.done(q=None)
    access.notice()
