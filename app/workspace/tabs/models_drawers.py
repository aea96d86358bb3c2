"""Short decisions about models: a new one, other settings, none any more."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st
from pydantic import ValidationError

from app.workspace.components import access, asking, drawer, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors import service
from connectors.models import ModelSettings
from connectors.service import ModelPublic


def more(model: ModelPublic) -> dict[str, Callable[[], None]]:
    """What the More menu offers, by string key."""
    if model.builtin:
        return {}

    def remove() -> None:
        if access.act(lambda session: (service.remove_model(session, model.name), True)):
            url.replace()

    return {"models.change": lambda: url.open_drawer("change"), "models.remove": remove}


def draw(name: str | None) -> None:
    """The drawer that the address names."""
    which = url.drawer()
    if which == "new" and name is None:
        drawer.drawer(t("models.drawer_new"), lambda: _form("", None))
    elif which == "change" and name is not None:
        with access.reading() as session:
            model = service.get_model(session, name)
        drawer.drawer(t("models.drawer_change"), lambda: _form(name, model.settings))


def _form(name: str, now: ModelSettings | None) -> None:
    kinds = ("openai", "langchain")
    with drawer.form("model_form"):
        given = st.text_input(t("models.name"), value=name, disabled=now is not None)
        kind = st.selectbox(
            t("models.kind"), kinds, index=kinds.index(now.kind) if now else 0,
            format_func=lambda code: raw(f"models.kind_{code}"), help=t("models.kind_help"),
        )  # fmt: skip
        where = (now.base_url or now.provider or "") if now else url.get("base_url") or ""
        address = st.text_input(t("models.where"), value=where, help=t("models.where_help"))
        model = st.text_input(t("models.model"), value=now.model if now else url.get("model") or "")
        environment = (now.api_key_env or "") if now else url.get("key_env") or ""
        key = st.text_input(t("models.key"), type="password", help=t("models.key_help"))
        variable = st.text_input(t("models.key_env_field"), value=environment)
        with st.expander(t("models.more_settings")):
            extra = _extra(now)
        pressed = st.form_submit_button(t("models.save"), type="primary")
    if not pressed:
        return
    try:
        settings = ModelSettings(
            kind=kind,
            base_url=(address.strip() or None) if kind == "openai" else None,
            provider=address.strip() if kind == "langchain" else None,
            model=model.strip(),
            api_key_env=variable.strip() or None,
            **_read(extra),
        )
    except (ValidationError, ValueError, InvalidOperation) as error:
        st.error(plain(_fault(error)), icon=":material/error:")
        return
    saved = asking.add(given.strip(), settings, key.strip() or None)
    if saved is None:
        access.notice()
    else:
        drawer.done(id=saved.name)


def _extra(now: ModelSettings | None) -> dict[str, Any]:
    left, right = st.columns(2, wrap=False)
    defaults = now or ModelSettings(model="")
    return {
        "input_price": left.text_input(t("models.input_price"), value=_text(defaults.input_price)),
        "output_price": right.text_input(
            t("models.output_price"), value=_text(defaults.output_price)
        ),
        "concurrency": left.number_input(
            t("models.concurrency"), 1, 1024, defaults.concurrency, key="model_concurrency"
        ),
        "timeout": right.number_input(
            t("models.timeout"), 1.0, 3600.0, float(defaults.timeout), key="model_timeout"
        ),
        "rpm": left.number_input("RPM", 1, None, defaults.rpm, key="model_rpm"),
        "tpm": right.number_input("TPM", 1, None, defaults.tpm, key="model_tpm"),
        "params": st.text_area(
            t("models.params"), value=json.dumps(defaults.params) if defaults.params else "",
            height=68, placeholder='{"temperature": 0}',
        ),
        "structured": st.selectbox(
            t("models.structured"), ("native", "prompt", "off"),
            index=("native", "prompt", "off").index(defaults.structured),
        ),
    }  # fmt: skip


def _text(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _read(extra: dict[str, Any]) -> dict[str, Any]:
    found = dict(extra)
    for name in ("input_price", "output_price"):
        found[name] = Decimal(extra[name]) if extra[name].strip() else None
    found["params"] = json.loads(extra["params"]) if extra["params"].strip() else {}
    return found


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return raw("models.bad_field")
