"""Apps: the catalogue, and one app with what is live, a trial, releases, guards, alerts, code."""

from functools import partial

import streamlit as st

from app.workspace.components import (
    access,
    header,
    numbers,
    publishing,
    search_box,
    table,
    url,
)
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from app.workspace.tabs import (
    apps_alerts,
    apps_code,
    apps_drawers,
    apps_guards,
    apps_overview,
    apps_releases,
    apps_try,
)
from serving import service

TABS = {
    "overview": apps_overview.draw,
    "try": apps_try.draw,
    "releases": apps_releases.draw,
    "guards": apps_guards.draw,
    "alerts": apps_alerts.draw,
    "code": apps_code.draw,
}
KEYS = {"Ctrl+Enter": "keys.run", "O": "keys.open", "N": "keys.next", "P": "keys.previous"}
COLUMNS = ("name", "kind", "prompt", "model", "release", "aliases", "author", "when")


def catalogue() -> None:
    header.head(raw("apps.title"), actions=new, page_keys=KEYS)
    search = search_box.draw("apps", "q", "table.search", after=None)
    with access.reading() as session:
        found = service.list_apps(session, search=search or None)
    if not found and not search:
        header.empty("apps.empty", partial(new, "empty"))
        return
    after = url.get("after")
    rows = [row for row in found if after is None or row.name > after]
    shown = [
        {
            "name": row.name,
            "kind": raw(f"apps.kind_{row.kind}"),
            "prompt": row.prompt,
            "model": row.model,
            "release": row.newest or numbers.MISSING,
            "aliases": [f"{alias} → {number}" for alias, number in row.aliases.items()],
            "author": row.author.removeprefix("user:"),
            "when": numbers.ago(row.updated_at),
        }
        for row in rows[: table.PAGE]
    ]
    table.catalogue("apps", shown, {c: raw(f"columns.{c}") for c in COLUMNS}, alt=raw("apps.title"))
    more = rows[table.PAGE - 1].name if len(rows) > table.PAGE else None
    table.pager("apps", before="" if after else None, after=more)


def new(where: str = "head") -> None:
    if not publishing.may_publish():
        return
    st.button(
        t("apps.import"), type="tertiary", on_click=url.open_drawer, args=("import",),
        key=f"apps_import_{where}", icon=":material/upload:",
    )  # fmt: skip
    st.button(
        t("apps.new"), type="primary" if where == "head" else "secondary",
        on_click=url.open_drawer, args=("new",), key=f"apps_new_{where}", icon=":material/add:",
    )  # fmt: skip


def one(name: str) -> None:
    with header.found("apps", name):
        seen = publishing.view(name)
        header.head(
            name, badges=badges(seen), actions=partial(actions, seen),
            more=apps_drawers.more(), page_keys=KEYS,
        )  # fmt: skip
        tab = url.choice(
            "apps", "tab", list(TABS), lambda c: raw(f"apps.tab_{c}"), raw("apps.title"),
            clears=("sel", "a", "b", "after", "before"),
        )  # fmt: skip
        TABS[tab](seen)
        apps_drawers.draw(seen)


def badges(seen: View) -> list[header.Badge]:
    found = [(raw(f"apps.kind_{seen.settings.kind}"), "gray")]
    found += [(f"{one.name} → {one.release}", "blue") for one in seen.aliases]
    if any(one.canary is not None for one in seen.aliases):
        found.append((raw("apps.canary"), "orange"))
    if seen.is_changed:
        found.append((raw("apps.unreleased"), "orange"))
    return found


def actions(seen: View) -> None:
    if not publishing.may_publish():
        return
    back = publishing.rollback_target(seen.name) if seen.alarms else None
    if back is not None:
        st.button(
            t("apps.rollback_verb", n=back), type="primary", icon=":material/undo:",
            on_click=url.put, kwargs={"do": "rollback", "alias": None}, key="app_back",
        )  # fmt: skip
    quiet = seen.is_changed or back is not None
    if seen.app.newest:
        st.button(
            t("apps.promote"), type="secondary" if quiet else "primary",
            icon=":material/rocket_launch:", on_click=url.put,
            kwargs={"do": "promote", "release": None}, key="app_promote",
        )  # fmt: skip
    if seen.is_changed or not seen.app.newest:
        st.button(
            t("apps.release_verb"), type="secondary" if back is not None else "primary",
            on_click=url.open_drawer, args=("release",), key="app_release",
            icon=":material/verified:",
        )  # fmt: skip


chosen = url.get("id")
if chosen is None:
    catalogue()
    apps_drawers.draw(None)
else:
    one(chosen)
