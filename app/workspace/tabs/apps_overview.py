"""What is live, where it is called, and how its releases do."""

from functools import partial

import streamlit as st

from app.workspace.components import (
    app_alarms,
    app_canary,
    app_drift,
    app_figures,
    endpoint,
    header,
    live,
    publishing,
    url,
)
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from core.names import split_ref
from serving.models import AppAlias


def draw(seen: View) -> None:
    header.lineage(_lineage(seen))
    if seen.app.description:
        st.text(seen.app.description)
    for model in seen.ending:
        st.warning(plain(app_alarms.ends(model)), icon=":material/event_busy:")
    if not seen.app.newest:
        st.caption(t("apps.no_release"))
        return
    for alarm in seen.alarms:
        st.warning(plain(app_alarms.spelled(alarm.told)), icon=":material/notifications_active:")
    _live(seen)
    span = url.choice(
        "apps", "span", list(app_figures.SPANS), lambda c: raw(f"apps.span_{c}"), raw("apps.calls")
    )
    live.quietly(partial(app_figures.draw, seen.app.id, seen.name, span), alive=True, every="5s")
    if seen.operations.log_content:
        app_drift.draw(seen.app.id)


def _lineage(seen: View) -> list[partial[None]]:
    settings, origin = seen.settings, seen.app.origin or {}
    name, ref = split_ref(settings.prompt)
    version = None if ref == "latest" else ref
    links = [partial(url.link, "prompts", plain(settings.prompt), ":material/edit_note:", id=name,
                     v=version)]  # fmt: skip
    if settings.knowledge is not None:
        kb = settings.knowledge.kb
        links.append(partial(url.link, "knowledge", plain(kb), ":material/menu_book:", id=kb))
    if "run" in origin:
        arm = plain(origin["arm"])
        links.append(
            partial(url.link, "runs", arm, ":material/grid_on:", id=origin["run"], tab="verdict")
        )
    return links


def _live(seen: View) -> None:
    if not seen.aliases:
        st.caption(t("apps.nothing_live"))
    with st.container(gap="small"):
        for one in seen.aliases:
            _alias(seen, one)
            live.quietly(partial(app_canary.draw, one), alive=one.canary is not None, every="5s")
    st.caption(t("apps.endpoint", model=endpoint.model_name(seen)))
    st.code(f"{endpoint.address()}/v1/chat/completions", language=None)


def _alias(seen: View, one: AppAlias) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.text(f"{one.name} → {seen.name}@{one.release}", width="content")
        if one.canary is not None:
            st.badge(
                t("apps.canary_of", percent=one.percent, n=one.canary), color="orange",
                icon=":material/call_split:",
            )  # fmt: skip
        st.space("stretch")
        if publishing.may_publish():
            _buttons(seen, one)


def _buttons(seen: View, one: AppAlias) -> None:
    if one.canary is not None:
        st.button(
            t("apps.canary_all", n=one.canary), key=f"canary_all_{one.name}", on_click=url.put,
            kwargs={"do": "promote", "release": one.canary, "alias": one.name},
        )  # fmt: skip
    target = publishing.rollback_target(seen.name, one.name)
    if target is not None:
        st.button(
            t("apps.rollback_verb", n=target), key=f"rollback_{one.name}", icon=":material/undo:",
            on_click=url.put, kwargs={"do": "rollback", "alias": one.name},
        )  # fmt: skip
    st.button(
        t("apps.unalias"), key=f"unalias_{one.name}", icon=":material/close:", type="tertiary",
        on_click=url.put, kwargs={"do": "unalias", "alias": one.name},
    )  # fmt: skip
