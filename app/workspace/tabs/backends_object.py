"""One backend: what it does, what it needs, what it printed, which adapters it holds."""

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, backends, numbers, table, url
from app.workspace.components.plain import plain, visible
from app.workspace.strings import raw, t
from connectors.backends import logs, service
from connectors.backends.notes import log_of
from connectors.backends.public import BackendPublic

LINES = 200


def act(one: BackendPublic) -> None:
    """Start or stop, as it stands."""
    if one.elsewhere or not backends.may_run():
        return
    running = one.wanted == "running"

    def pressed() -> None:
        def change(session: Session) -> BackendPublic:
            backends.check(backends.may_run())
            todo = service.stop_backend if running else service.start_backend
            return todo(session, one.name)

        access.act(change)

    st.button(
        t("backends.stop" if running else "backends.start"), type="primary", on_click=pressed,
        icon=":material/stop:" if running else ":material/play_arrow:", key="backend_act",
    )  # fmt: skip


def state() -> bool:
    """What changes while it lives; whether it still does."""
    name = url.get("id") or ""
    with access.reading() as session:
        one = service.get_backend(session, name)
    word, color = backends.badge(one)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(plain(word), color=color)  # type: ignore[arg-type]
        if one.reason:
            st.text(visible(one.reason))
    if one.state == "loading":
        st.progress(one.progress or 0.0, text=t("backends.loading"))
    if one.state == "ready":
        _figures(one)
        _adapters(one)
    _log(one)
    return backends.is_live(one)


def settings(one: BackendPublic) -> None:
    """What it was asked to be, and what a start takes."""
    if not one.elsewhere and one.state not in ("ready", "loading"):
        st.subheader(t("backends.estimate"), anchor=False)
        planned = backends.estimate(one.settings)
        if planned is not None:
            backends.estimated(planned)
    st.subheader(t("backends.settings"), anchor=False)
    shown = one.settings.model_dump(exclude_none=True)
    table.still(
        [
            {"setting": raw(f"backends.field_{name}"), "value": str(value)}
            for name, value in shown.items()
        ],
        {column: raw(f"columns.{column}") for column in ("setting", "value")},
        alt=raw("backends.settings"),
    )
    url.link("models", t("backends.model"), ":material/memory:", id=one.name)


def _figures(one: BackendPublic) -> None:
    figures = one.figures
    values = {
        "speed": backends.speed(figures.tokens_per_second),
        "prompt_speed": backends.speed(figures.prompt_tokens_per_second),
        "running": numbers.count(figures.running),
        "waiting": numbers.count(figures.waiting),
        "prefix_hits": numbers.percent(figures.prefix_hit_share),
        "cache": numbers.percent(figures.kv_cache_used),
        "memory": backends.gib(figures.memory),
        "reserved": backends.gib(figures.reserved),
        "restarts": numbers.count(one.restarts),
    }
    table.still(
        [{"figure": raw(f"backends.figure_{k}"), "value": value} for k, value in values.items()],
        {"figure": raw("backends.figure"), "value": raw("columns.value")},
        alt=raw("backends.figures"),
    )


def _adapters(one: BackendPublic) -> None:
    if not one.settings.lora:
        return
    with access.reading() as session:
        served = service.adapters_of(session, one.name)
    st.subheader(t("backends.adapters"), anchor=False)
    if not served:
        st.caption(t("backends.no_adapters"))
    for adapter in served:
        with st.container(horizontal=True, vertical_alignment="center"):
            held = adapter.served_name in one.adapters
            word = t("backends.adapter_loaded" if held else "backends.adapter_waits")
            st.badge(word, color="green" if held else "orange")
            st.text(visible(adapter.model))
            if backends.may_run():
                st.button(
                    t("backends.unload"), key=f"unload_{adapter.served_name}", type="tertiary",
                    on_click=_unload, args=(one.name, adapter.model), icon=":material/close:",
                )  # fmt: skip


def _unload(backend: str, adapter: str) -> None:
    def remove(session: Session) -> bool:
        backends.check(backends.may_run())
        service.remove_adapter(session, backend, adapter)
        return True

    access.act(remove)


def _log(one: BackendPublic) -> None:
    if one.elsewhere:
        return
    said = logs.tail(log_of(access.database().settings.data, one.name)).splitlines()[-LINES:]
    if said:
        st.subheader(t("backends.log"), anchor=False)
        with st.container(height=260, autoscroll=True):
            st.code(visible("\n".join(said)), language=None, wrap_lines=True)
