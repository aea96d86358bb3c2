"""One alert of an app, in a drawer."""

from typing import Any, get_args

import streamlit as st

from app.workspace.components import access, drawer, publishing, url
from app.workspace.components.publishing import View
from app.workspace.strings import raw, t
from core.errors import Invalid
from serving.service import save_operations
from serving.settings import Figure
from serving.settings_file import operations_of

FIGURES: tuple[Figure, ...] = get_args(Figure)


def alert_drawer(seen: View) -> None:
    """A new alert, or the one at `?at=`."""
    alerts = list(seen.operations.alerts)
    asked = url.get("at") or ""
    place = int(asked) if asked.isdecimal() and int(asked) < len(alerts) else None
    now = None if place is None else alerts[place]
    with drawer.form("app_alert"):
        figure = st.selectbox(
            t("apps.figure"), FIGURES, FIGURES.index(now.figure) if now else 0, key="alert_figure",
            format_func=lambda one: raw(f"apps.figure_{one}"),
        )  # fmt: skip
        bound = st.number_input(
            t("apps.bound"), 0.0, None, now.bound if now else 0.05, key="alert_bound",
            format="%.4g", help=t("apps.bound_help"),
        )  # fmt: skip
        minutes = st.number_input(
            t("apps.window"), 1, 1440, now.window_minutes if now else 15, key="alert_window"
        )
        least = st.number_input(
            t("apps.least"), 1, None, now.least if now else 20, key="alert_least",
            help=t("apps.least_help"),
        )  # fmt: skip
        address = st.text_input(
            t("apps.webhook"), now.url if now else "", key="alert_url", help=t("apps.webhook_help"),
            placeholder="https://",
        )  # fmt: skip

        def save() -> bool:
            publishing.checked_role()
            if not address.strip().startswith(("https://", "http://")):
                raise Invalid(raw("apps.no_address"))
            made = {"figure": figure, "bound": bound, "window_minutes": minutes, "least": least,
                    "url": address.strip()}  # fmt: skip
            kept: list[Any] = [*alerts]
            if place is None:
                kept.append(made)
            else:
                kept[place] = made
            changed = operations_of({**seen.operations.model_dump(), "alerts": kept})
            with access.writing() as session:
                save_operations(session, seen.name, changed)
            return True

        saved = drawer.submit_outside("apps.save_alert", save)
    if saved is not None:
        drawer.done(id=seen.name, tab="alerts")
