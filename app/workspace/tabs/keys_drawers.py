"""Short decisions about keys: a new one, which is shown once, or the end of one."""

from functools import partial
from typing import Any

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, api_keys, drawer, numbers, publishing, url
from app.workspace.strings import raw, t
from core.errors import Invalid
from core.users import list_users
from serving import service
from serving.key_forms import CreatedKey, KeyCreate, KeyPublic, end_of
from serving.keys import create_key, revoke_key


def draw(key: KeyPublic | None) -> None:
    """The drawer that the address names."""
    which = url.drawer()
    if not publishing.may_publish():
        return
    if which == "new" and key is None:
        drawer.drawer(t("apikeys.drawer_new"), _new)
    elif which == "revoke" and key is not None:
        drawer.drawer(t("apikeys.drawer_revoke"), partial(_revoke, key))


def _new() -> None:
    place = st.empty()
    with place.container():
        created = _form()
    if created is None:
        return
    place.empty()
    st.text(raw("apikeys.once"))
    st.code(created.key, language=None, wrap_lines=True)


def _form() -> CreatedKey | None:
    with access.reading() as session:
        apps = [app.name for app in service.list_apps(session)]
        people = [f"user:{user.name}" for user in list_users(session) if not user.disabled]
    with drawer.form("key_form"):
        name = st.text_input(t("apikeys.name"), key="key_name", help=t("prompts.name_help"))
        scope = st.selectbox(
            t("apikeys.scope"), ("apps", "metrics"), key="key_scope",
            format_func=lambda code: raw(f"apikeys.scope_{code}"),
        )  # fmt: skip
        chosen = st.multiselect(t("apikeys.apps"), apps, key="key_apps", placeholder="")
        day = st.date_input(t("apikeys.expires"), value=None, min_value="today", key="key_expires")
        budget = st.text_input(t("apikeys.budget"), key="key_budget", placeholder="1.50")
        with st.expander(t("apikeys.more")):
            more = _limits(people)

        def create(session: Session) -> CreatedKey:
            api_keys.check_role()
            form = _checked(
                name=name.strip(), scope=scope, apps=tuple(chosen) if scope == "apps" else (),
                expires_at=end_of(day) if day else None, budget_day=budget.strip() or None, **more,
            )  # fmt: skip
            return create_key(session, form)

        return drawer.submit("apikeys.create", create)


def _limits(people: list[str]) -> dict[str, Any]:
    left, right = st.columns(2, wrap=False)
    none = raw("apikeys.no_limit")
    return {
        "rpm": left.number_input("RPM", 1, None, None, key="key_rpm", placeholder=none),
        "tpm": right.number_input("TPM", 1, None, None, key="key_tpm", placeholder=none),
        "streams": left.number_input(
            t("apikeys.streams"), 1, None, None, key="key_streams", placeholder=none
        ),
        "person": right.selectbox(
            t("apikeys.person"), people, index=None, key="key_person", placeholder="",
            help=t("apikeys.person_help"),
        ),
    }  # fmt: skip


def _checked(**fields: Any) -> KeyCreate:
    try:
        return KeyCreate.model_validate(fields)
    except ValueError:
        raise Invalid(raw("apikeys.bad_field")) from None


def _revoke(key: KeyPublic) -> None:
    st.text(raw("apikeys.revoke_what", last=numbers.ago(key.last_used_at)))
    with drawer.form("key_revoke_form"):
        typed = st.text_input(t("apikeys.type_prefix", prefix=key.prefix), key="key_typed")

        def revoke(session: Session) -> bool:
            api_keys.check_role()
            if typed.strip() != key.prefix:
                raise Invalid(raw("apikeys.wrong_prefix", prefix=key.prefix))
            return revoke_key(session, key.name)

        done = drawer.submit("apikeys.revoke_now", revoke)
    if done is not None:
        drawer.done(id=key.name)
