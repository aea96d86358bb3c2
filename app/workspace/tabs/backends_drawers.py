"""Short decisions about backends: a new one, other settings, none any more."""

from collections.abc import Callable
from typing import Any

import streamlit as st
from pydantic import ValidationError
from sqlmodel import Session

from app.workspace.components import access, backends, drawer, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.backends import service
from connectors.backends.models import BackendSettings
from connectors.backends.public import BackendPublic
from connectors.resolver import leads_to_local
from core.jobs import place

KINDS = ("llamacpp", "vllm")
"""What a person adds; a backend of the kind peft comes from publishing an adapter."""


def more() -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""
    if not backends.may_add():
        return {}
    return {
        "backends.change": lambda: url.open_drawer("change"),
        "backends.remove": lambda: url.open_drawer("remove"),
    }


def draw(name: str | None) -> None:
    """The drawer that the address names."""
    which = url.drawer()
    if not backends.may_add():
        return
    if which == "new" and name is None:
        drawer.drawer(t("backends.drawer_new"), lambda: _form("", None))
    elif which in ("change", "remove") and name is not None:
        with access.shown_errors():
            with access.reading() as session:
                now = service.get_backend(session, name)
            if which == "change":
                drawer.drawer(t("backends.drawer_change"), lambda: _form(name, now.settings))
            else:
                drawer.drawer(t("backends.drawer_remove"), lambda: _remove(name))


def _form(name: str, now: BackendSettings | None) -> None:
    before = now or BackendSettings(kind="llamacpp", source="")
    kinds = ("peft",) if before.kind == "peft" else KINDS
    with drawer.form("backend_form"):
        given = st.text_input(
            t("backends.column_name"), value=name, disabled=now is not None, key="backend_name"
        )
        kind = st.selectbox(
            t("backends.column_kind"), kinds, index=kinds.index(before.kind), key="backend_kind",
            format_func=lambda code: raw(f"backends.kind_{code}"),
        )  # fmt: skip
        source = st.text_input(
            t("backends.field_source"), value=before.source, key="backend_source",
            help=t("backends.source_help"),
        )  # fmt: skip
        url_given = st.text_input(
            t("backends.field_base_url"), value=before.base_url or "", key="backend_url",
            help=t("backends.base_url_help"),
        )  # fmt: skip
        lora = st.selectbox(
            t("backends.field_lora"), (False, True), index=int(before.lora), key="backend_lora",
            format_func=lambda on: raw("backends.yes" if on else "backends.no"),
        )  # fmt: skip
        with st.expander(t("backends.more_settings")):
            extra = _extra(before)
        pressed = st.form_submit_button(t("backends.save"), type="primary")
    if pressed:
        fields = {
            **before.model_dump(), **extra, "kind": kind, "source": source.strip(),
            "base_url": url_given.strip() or None, "lora": lora,
        }  # fmt: skip
        _save(given.strip(), fields)


def _extra(now: BackendSettings) -> dict[str, Any]:
    left, right = st.columns(2, wrap=False)
    return {
        "gpu_memory": left.number_input(
            t("backends.field_gpu_memory"), 0.1, 10_000.0, now.gpu_memory, key="backend_memory"
        ),
        "gpu": right.text_input(t("backends.field_gpu"), value=now.gpu or "", key="backend_gpu")
        or None,
        "context": left.number_input(
            t("backends.field_context"), 128, 1 << 24, now.context, key="backend_context"
        ),
        "concurrency": right.number_input(
            t("backends.field_concurrency"), 1, 1024, now.concurrency, key="backend_concurrency"
        ),
        "idle_minutes": left.number_input(
            t("backends.field_idle_minutes"),
            0.0,
            10_080.0,
            float(now.idle_minutes),
            key="backend_idle",
        ),
        "api_key_env": right.text_input(
            t("backends.field_api_key_env"), value=now.api_key_env or "", key="backend_key_env"
        )
        or None,
    }


def _save(name: str, fields: dict[str, Any]) -> None:
    try:
        settings = BackendSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        st.error(plain(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))
        return
    if settings.base_url is None and backends.estimate(settings) is None:
        return
    local = settings.base_url is not None and leads_to_local(settings.base_url)
    here = place(access.database().settings.data)

    def add(session: Session) -> BackendPublic:
        backends.check(backends.may_add())
        return service.add_backend(session, name, settings, owner=here, allow_local=local)

    saved = access.act(add)
    if saved is None:
        access.notice()
    else:
        drawer.done(id=saved.name)


def _remove(name: str) -> None:
    st.text(raw("backends.remove_words"))

    def remove(session: Session) -> bool:
        backends.check(backends.may_add())
        service.remove_backend(session, name)
        return True

    with drawer.form("backend_remove"):
        gone = drawer.submit("backends.remove_now", remove)
    if gone:
        url.replace()
        st.rerun()
