"""Parts of an app, each in a drawer: what it asks, a guard, a pinned answer, an alert, a key."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st
from pydantic import TypeAdapter, ValidationError

from app.workspace.components import access, app_fields, drawer, publishing, url
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from app.workspace.tabs.apps_alert import alert_drawer
from app.workspace.tabs.apps_code import key_drawer
from core.errors import Invalid
from serving import making
from serving.guards import Guard
from serving.making import fault
from serving.service import save_settings
from serving.settings import AppSettings, Pinned

_GUARD: TypeAdapter[Guard] = TypeAdapter(Guard)
ACTIONS = ("block", "mask", "note")


def bodies(seen: View) -> dict[str, Callable[[], None]]:
    """The drawers by name."""
    made = {
        "draft": _draft, "guard": _guard, "pinned": _pinned, "alert": alert_drawer,
        "key": key_drawer,
    }  # fmt: skip
    return {name: partial(body, seen) for name, body in made.items()}


def _save(seen: View, fields: dict[str, Any], *, whole: bool = False) -> bool:
    """Keep changed fields of the draft; `whole` sees that it can be released."""
    publishing.checked_role()
    settings: AppSettings = making.checked({**seen.settings.model_dump(), **fields})
    if whole:
        making.check_draft(access.database(), settings)
    with access.writing() as session:
        save_settings(session, seen.name, settings)
    return True


def _draft(seen: View) -> None:
    now, parts = seen.settings, app_fields.parts()
    used = now.knowledge
    with drawer.form("app_draft"):
        prompt = app_fields.prompt(parts, "draft_prompt", now.prompt)
        model = app_fields.model(parts, "draft_model", now.model)
        params = st.text_area(
            t("apps.params"), _json(now.params), height=90, key="draft_params",
            help=t("apps.params_help"), placeholder='{"temperature": 0}',
        )  # fmt: skip
        base = app_fields.base(parts, "draft_base", None if used is None else used.kb)
        search = st.text_area(
            t("apps.search_settings"), _json(used.settings if used else {}), height=90,
            key="draft_search", help=t("apps.search_help"), placeholder='{"top_k": 4}',
        )  # fmt: skip
        kind = app_fields.kind("draft_kind", now.kind)

        def save() -> bool:
            knowledge = None
            if base is not None:
                kept = used.model_dump() if used and used.kb == base else {}
                knowledge = {**kept, "kb": base, "settings": _read(search, "apps.search_settings")}
            fields = {
                "prompt": prompt or "", "model": model or "",
                "params": _read(params, "apps.params"),
                "knowledge": knowledge, "kind": kind or now.kind,
            }  # fmt: skip
            return _save(seen, fields, whole=True)

        saved = drawer.submit_outside("apps.save_draft", save)
    if saved is not None:
        drawer.done(id=seen.name, tab="releases")


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) if values else ""


def _read(text: str, field: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Invalid(raw("apps.bad_json", field=raw(field)))
    return found


def _at(count: int) -> int | None:
    """The place that the address names, or None for a new one."""
    asked = url.get("at") or ""
    return int(asked) if asked.isdecimal() and int(asked) < count else None


def _guard(seen: View) -> None:
    guards = list(seen.settings.guards)
    place, kind = _at(len(guards)), url.get("kind") or ""
    now = guards[place].model_dump(mode="json") if place is not None else {"kind": kind}
    kind = str(now["kind"])
    st.text(raw(f"apps.guard_{kind}_help") if kind in _HELPED else kind)
    with drawer.form("app_guard"):
        fields = _guard_fields(kind, now)

        def save() -> bool:
            try:
                made = _GUARD.validate_python({"kind": kind, **fields})
            except ValidationError as error:
                raise Invalid(raw("apps.bad_guard", why=fault(error))) from None
            changed = [*guards, made] if place is None else guards
            if place is not None:
                changed[place] = made
            return _save(seen, {"guards": changed})

        saved = drawer.submit_outside("apps.save_guard", save)
    if saved is not None:
        drawer.done(id=seen.name, tab="guards")


_HELPED = ("length", "pii", "blocked_words", "injection", "schema")


def _guard_fields(kind: str, now: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    actions = ACTIONS
    if kind == "schema":
        actions = ("block", "note")
    else:
        places = ("before", "after")
        fields["where"] = st.selectbox(
            t("apps.where"), places, places.index(now.get("where", "before")), key="guard_where",
            format_func=lambda one: raw(f"apps.where_{one}"),
        )  # fmt: skip
    usual = "mask" if kind == "pii" else "block"
    fields["action"] = st.selectbox(
        t("apps.action"), actions, actions.index(now.get("action", usual)), key="guard_action",
        format_func=lambda one: raw(f"apps.action_{one}"), help=t("apps.action_help"),
    )  # fmt: skip
    if kind == "length":
        fields["most"] = st.number_input(
            t("apps.most"), 1, 10_000_000, int(now.get("most", 20_000)), key="guard_most"
        )
    if kind == "blocked_words":
        words = st.text_area(
            t("apps.words"), "\n".join(now.get("words", ())), height=160, key="guard_words",
            help=t("apps.words_help"),
        )  # fmt: skip
        fields["words"] = [word.strip() for word in words.splitlines() if word.strip()]
    return fields


def _pinned(seen: View) -> None:
    pinned = list(seen.settings.pinned)
    place = _at(len(pinned))
    now = None if place is None else pinned[place]
    matches = ("exact", "similar")
    with drawer.form("app_pinned"):
        question = st.text_input(
            t("apps.question"), now.question if now else "", key="pin_question"
        )
        answer = st.text_area(
            t("apps.answer"), now.answer if now else "", height=200, key="pin_answer"
        )
        match = st.selectbox(
            t("apps.match"), matches, matches.index(now.match) if now else 0, key="pin_match",
            format_func=lambda one: raw(f"apps.match_{one}"), help=t("apps.match_help"),
        )  # fmt: skip
        threshold = st.number_input(
            t("apps.threshold"), 0.5, 1.0, now.threshold if now else 0.9, 0.01, key="pin_threshold"
        )

        def save() -> bool:
            made = {"question": question.strip(), "answer": answer, "match": match,
                    "threshold": threshold}  # fmt: skip
            kept: list[Pinned | dict[str, Any]] = [*pinned]
            if place is None:
                kept.append(made)
            else:
                kept[place] = made
            return _save(seen, {"pinned": kept})

        saved = drawer.submit_outside("apps.save_pinned", save)
    if place is not None and st.button(
        t("apps.unpin"), key="pin_remove", type="tertiary", icon=":material/delete:"
    ):
        rest = [one for at, one in enumerate(pinned) if at != place]
        saved = _save(seen, {"pinned": rest})
    if saved is not None:
        drawer.done(id=seen.name, tab="guards")
