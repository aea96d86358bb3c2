"""Evaluators: how machines score, tried before they are used."""

from typing import Any, get_args

import streamlit as st
from pydantic import TypeAdapter

from app.workspace.components import access, choices, forms, header, table, url
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from app.workspace.tabs import evaluators_try
from core.workspace_settings import set_setting
from evalsets.evaluators.kinds import JUDGES, Evaluator, Scorer
from evalsets.evaluators.own_files import own_files

KINDS: dict[str, Any] = {
    cls.model_fields["kind"].default: cls for cls in (*get_args(Scorer), *JUDGES)
}
ASKING = {cls.model_fields["kind"].default for cls in JUDGES}
NOT_ASKED = frozenset({"kind", "name", "turned", "sha256"})
ADAPTER: TypeAdapter[Any] = TypeAdapter(Evaluator)


def catalogue() -> None:
    header.head(raw("evaluators.title"))
    st.caption(t("evaluators.what"))
    with st.grid("auto", min_column_width=240, gap="small"):
        for kind in KINDS:
            with st.container(border=True, gap="xsmall", key=f"kind_{kind}"):
                st.button(
                    plain(kind), key=f"open_{kind}", type="tertiary", on_click=url.put,
                    kwargs={"id": kind},
                )  # fmt: skip
                st.caption(t(f"evaluators.{kind}"))
    _own()
    saved = choices.saved_evaluators()
    if saved:
        st.subheader(t("evaluators.saved"), anchor=False)
        rows = [
            {"name": name, "kind": spec["kind"], "settings": _brief(spec)}
            for name, spec in saved.items()
        ]
        columns = ("name", "kind", "settings")
        table.catalogue(
            "evaluators", rows, {c: raw(f"columns.{c}") for c in columns},
            alt=raw("evaluators.saved"), opens=lambda row: url.put(id=row["name"]),
        )  # fmt: skip


def _own() -> None:
    """The administrator's files: named, and never to be changed from here."""
    found = own_files()
    if not found:
        return
    st.subheader(t("evaluators.own"), anchor=False)
    st.caption(t("evaluators.own_note"))
    rows = [
        {"name": f"python:{one.name}", "about": one.about, "version": one.sha256[:12]}
        for one in found
    ]
    columns = ("name", "about", "version")
    table.still(rows, {c: raw(f"columns.{c}") for c in columns}, alt=raw("evaluators.own"))


def _brief(spec: dict[str, object]) -> str:
    return ", ".join(f"{k}={v}" for k, v in spec.items() if k not in ("kind", "name"))


def one(chosen: str) -> None:
    saved = choices.saved_evaluators()
    kind = str(saved[chosen]["kind"]) if chosen in saved else chosen
    if kind not in KINDS:
        st.text(raw("evaluators.unknown"))
        return
    header.head(chosen, badges=[(kind, "gray")] if chosen in saved else [])
    st.caption(t(f"evaluators.{kind}"))
    if kind in ASKING:
        st.caption(t("evaluators.judge_note"))
    left, right = st.columns(2, gap="large")
    with left:
        if chosen in saved:
            spec = saved[chosen]
            st.json({k: v for k, v in spec.items() if k not in ("kind", "name")})
            st.button(t("evaluators.remove"), on_click=_remove, args=(chosen,))
        else:
            spec = _filled(kind)
    whole = choices.is_valid(ADAPTER, spec) is None
    with right, access.shown_errors():
        evaluators_try.draw(chosen, spec if whole else None, kind in ASKING)


def _filled(kind: str) -> dict[str, Any]:
    offers = {"model": choices.choices().models} if kind in ASKING else {}
    if kind == "python":
        offers = {"file": [one.name for one in own_files()]}
    given = forms.settings_form(KINDS[kind], f"evaluator_{kind}", skip=NOT_ASKED, offers=offers)
    spec = {"kind": kind, **given}
    fault = choices.is_valid(ADAPTER, spec)
    lacking = choices.missing(ADAPTER, spec) if fault is not None else []
    if lacking:
        st.caption(t("evaluators.to_fill", fields=", ".join(lacking)))
    elif fault is not None and len(spec) > 1:
        st.caption(f":material/error: {plain(fault)}")
    name = st.text_input(t("evaluators.name"), placeholder=raw("evaluators.name_hint"))
    st.button(
        t("evaluators.save"), type="primary", disabled=not name.strip() or fault is not None,
        on_click=_save, args=(name.strip(), spec),
    )  # fmt: skip
    return spec


def _save(name: str, spec: dict[str, Any]) -> None:
    saved = choices.saved_evaluators()
    kept = {**saved, name: {**spec, "name": name}}
    fault = choices.is_valid(ADAPTER, kept[name])
    if name in saved or name in KINDS:
        access.refuse(access.PromptstoneError(raw("evaluators.name_taken", name=name)))
    elif fault is not None:
        access.refuse(access.PromptstoneError(fault))
    elif access.act(lambda s: (set_setting(s, "evaluators", kept), True)):
        url.replace()


def _remove(name: str) -> None:
    kept = {k: v for k, v in choices.saved_evaluators().items() if k != name}
    if access.act(lambda s: (set_setting(s, "evaluators", kept), True)):
        url.replace()


picked = url.get("id")
with access.shown_errors():
    if picked is None:
        catalogue()
    else:
        one(picked)
