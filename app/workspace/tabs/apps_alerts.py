"""How an app is run and watched: what is kept, the judged sample, the failed set, alerts."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from app.workspace.components import access, app_alarms, choices, numbers, publishing, table, url
from app.workspace.components.plain import plain
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from connectors.service import list_models
from evalsets.datasets.service import list_datasets
from serving.alerts import told_alerts
from serving.service import save_operations
from serving.settings import Operations
from serving.settings_file import operations_of


def draw(seen: View) -> None:
    may = publishing.may_publish()
    with st.container(key="app_alerts", width=860, gap="small"):
        _alerts(seen, may)
        if may:
            _operations(seen)
        else:
            _shown(seen.operations)


def _alerts(seen: View, may: bool) -> None:
    st.subheader(t("apps.alerts"), anchor=False)
    st.caption(t("apps.alerts_help"))
    with access.reading() as session:
        told = {one.alert: one for one in told_alerts(session, seen.app)}
    for place, one in enumerate(seen.operations.alerts):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            last = told.get(one)
            said = app_alarms.alert(one) if last is None else app_alarms.spelled(last)
            st.text(said, width="stretch")
            if may:
                _small("alert_change", place, t("apps.change_n", n=str(place + 1)),
                       ":material/edit:", partial(url.put, do="alert", at=place))  # fmt: skip
                _small("alert_remove", place, t("apps.remove_n", n=str(place + 1)),
                       ":material/close:", partial(_remove, seen, place))  # fmt: skip
    if may:
        st.button(
            t("apps.add_alert"), key="alert_add", icon=":material/add:", on_click=url.put,
            kwargs={"do": "alert", "at": None},
        )  # fmt: skip


def _small(name: str, place: int, label: str, icon: str, action: Callable[[], None]) -> None:
    st.button(plain(label), key=f"{name}_{place}", icon=icon, type="tertiary", on_click=action)


def _remove(seen: View, place: int) -> None:
    alerts = seen.operations.alerts
    changed = seen.operations.model_copy(update={"alerts": alerts[:place] + alerts[place + 1 :]})
    publishing.act(lambda session: (save_operations(session, seen.name, changed), True))


def _shown(now: Operations) -> None:
    """What who may not change it is told."""
    rows = {
        "apps.log_content": raw("prompts.yes" if now.log_content else "prompts.no"),
        "apps.retention": numbers.count(now.retention_days),
        "apps.judge": now.judged.model if now.judged else numbers.MISSING,
        "apps.failed_set": now.failed_set.dataset if now.failed_set else numbers.MISSING,
    }
    table.still(
        [{"setting": raw(name), "value": value} for name, value in rows.items()],
        {c: raw(f"columns.{c}") for c in ("setting", "value")}, alt=raw("apps.kept"),
        widths={"setting": 260},
    )  # fmt: skip


def _operations(seen: View) -> None:
    now = seen.operations
    with st.form("app_operations", border=False):
        fields = _kept(now) | {"judged": _judged(now), "failed_set": _failed(now)}
        pressed = st.form_submit_button(t("apps.save_operations"), type="primary")
    if not pressed:
        return

    def save(session: Any) -> bool:
        save_operations(session, seen.name, operations_of({**now.model_dump(), **fields}))
        return True

    if publishing.act(save):
        access.saved("apps.operations_saved")
        st.rerun()
    access.notice()


def _kept(now: Operations) -> dict[str, Any]:
    st.subheader(t("apps.kept"), anchor=False)
    log = st.checkbox(
        t("apps.log_content"), now.log_content, key="ops_log",
        help=t("apps.log_help"),
    )  # fmt: skip
    days = st.number_input(t("apps.retention"), 1, 3650, now.retention_days, key="ops_days")
    gpu = st.number_input(
        t("apps.gpu_hour"), 0.0, None, _float(now.gpu_hour_usd), key="ops_gpu",
        help=t("apps.gpu_help"),
    )  # fmt: skip
    return {"log_content": log, "retention_days": days, "gpu_hour_usd": _decimal(gpu)}


def _judged(now: Operations) -> dict[str, Any] | None:
    st.subheader(t("apps.judged"), anchor=False)
    st.caption(t("apps.judged_help"))
    with access.reading() as session:
        names = [model.name for model in list_models(session)]
    kept = now.judged
    model = st.selectbox(
        t("apps.judge"), names, key="ops_judge", placeholder=raw("apps.no_judge"),
        index=names.index(kept.model) if kept and kept.model in names else None,
    )  # fmt: skip
    rubric = st.text_area(
        t("apps.rubric"), kept.rubric if kept else "", key="ops_rubric", height=90
    )
    share = st.number_input(
        t("apps.judged_share"), 0.1, 100.0, 100 * kept.share if kept else 5.0, key="ops_share",
    )  # fmt: skip
    budget = st.number_input(
        t("apps.judged_budget"), 0.0, None, _float(kept.budget_day) if kept else None,
        key="ops_budget", placeholder=raw("runs.no_budget"),
    )  # fmt: skip
    if model is None:
        return None
    budget_day = _decimal(budget or None)
    return {"model": model, "rubric": rubric, "share": share / 100, "budget_day": budget_day}


def _failed(now: Operations) -> dict[str, Any] | None:
    st.subheader(t("apps.failed_set"), anchor=False)
    st.caption(t("apps.failed_help"))
    with access.reading() as session:
        names = [row.name for row in list_datasets(session, limit=200)]
    kept = now.failed_set
    if kept is not None and kept.dataset not in names:
        names.insert(0, kept.dataset)
    dataset = st.selectbox(
        t("runs.dataset"), names, index=names.index(kept.dataset) if kept else None,
        key="ops_failed", placeholder=raw("apps.no_failed_set"),
    )  # fmt: skip
    given = list(kept.evaluators) if kept else []
    known = list(dict.fromkeys([*given, *choices.KINDS]))
    evaluators = st.multiselect(
        t("runs.evaluators"), known, given, key="ops_evaluators", accept_new_options=True,
        placeholder=raw("runs.choose"),
    )  # fmt: skip
    return None if dataset is None else {"dataset": dataset, "evaluators": evaluators}


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
