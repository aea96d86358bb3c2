"""An app of an arm of a run, in a drawer."""

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, drawer, publishing, table, url
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from core.names import split_ref
from evalsets.runs.cells import arm_names
from evalsets.runs.service import get_run
from serving.from_arm import ArmApp, settings_from_arm
from serving.lookup import find_app

_PART = {"prompt": "prompt", "model": "model", "params": "params", "knowledge": "base"}


def offer(arm: str, *, key: str) -> None:
    """The button that opens the drawer for an arm."""
    if publishing.may_publish():
        st.button(
            t("apps.of_arm"), key=key, icon=":material/rocket_launch:", on_click=url.put,
            kwargs={"do": "app", "arm": arm},
        )  # fmt: skip


def draw(run_id: str) -> None:
    """What the app will be, its name, and the button that makes it."""
    with access.reading() as session:
        arms = list(arm_names(get_run(session, run_id)))
    asked = url.get("arm")
    arm = st.selectbox(
        t("apps.arm"), arms, arms.index(asked) if asked in arms else 0, key="app_arm"
    )
    try:
        with access.reading() as session:
            found = settings_from_arm(session, run_id, arm)
            name = _free(session, split_ref(found.fields["prompt"])[0])
    except PromptstoneError as error:
        st.text(error.message)
        return
    _what(found)
    with drawer.form("app_of_arm"):
        name = st.text_input(t("apps.name"), name, help=t("prompts.name_help"), key="arm_app_name")
        made = drawer.submit_outside(
            "apps.create",
            lambda: publishing.make(name, found.fields, origin=found.origin),
        )
    if made is not None:
        url.go("apps", id=made, tab="try")


def _free(session: Session, name: str) -> str:
    """The prompt's name, or with a number where an app has it."""
    number = 1
    while find_app(session, name if number == 1 else f"{name}-{number}") is not None:
        number += 1
    return name if number == 1 else f"{name}-{number}"


def _what(found: ArmApp) -> None:
    rows = [
        {"setting": raw(f"apps.fact_{_PART[name]}"), "value": _spelled(value)}
        for name, value in found.fields.items()
        if value
    ]
    table.still(
        rows, {c: raw(f"columns.{c}") for c in ("setting", "value")}, alt=raw("apps.frozen")
    )


def _spelled(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return str(getattr(value, "kb", value))
