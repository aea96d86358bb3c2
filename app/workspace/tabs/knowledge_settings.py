"""How a base is made and who may find what in it."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from sqlmodel import Session

from app.workspace.components import access, search_fields, table, uploads, url
from app.workspace.components.knowledge_rights import View
from app.workspace.strings import raw, t
from core.errors import PromptstoneError
from core.users import list_users
from rag import service
from rag.access import read_where, restrict, rules, set_rule
from rag.cleaning.settings import CleaningSettings
from rag.models import AccessRule
from rag.searching import saved_settings

STEPS = ("normalise", "furniture", "boilerplate", "near_duplicates")


def draw(seen: View) -> None:
    with st.container(key="knowledge_settings", gap="small", width=860):
        _made(seen)
        _cleaning(seen)
        if access.role() == "admin":
            _access(seen)
        with st.container(horizontal=True):
            st.button(
                t("knowledge.delete"), key="base_delete", type="tertiary",
                icon=":material/delete:", on_click=url.open_drawer, args=("delete",),
            )  # fmt: skip


def _made(seen: View) -> None:
    base = seen.base
    chunker = dict(base.chunker)
    kind = raw(f"knowledge.chunker_{chunker.pop('kind')}")
    cut = " · ".join([kind, *(f"{raw(f'knowledge.{k}')}: {v}" for k, v in chunker.items())])
    embedder = " · ".join(str(value) for value in base.embedder.values() if value)
    search = search_fields.spelled(saved_settings(base))
    rows = [
        {"setting": raw("knowledge.embedder"), "value": embedder},
        {"setting": raw("knowledge.fingerprint"), "value": base.fingerprint},
        {"setting": raw("knowledge.chunker"), "value": cut},
        {"setting": raw("knowledge.tab_search"), "value": search},
    ]
    table.still(
        rows, {c: raw(f"columns.{c}") for c in ("setting", "value")},
        alt=raw("knowledge.tab_settings"), widths={"setting": 180},
    )  # fmt: skip
    st.caption(t("knowledge.remembered"))
    st.button(
        t("knowledge.reindex"), key="base_reindex", type="primary", icon=":material/sync:",
        on_click=url.open_drawer, args=("reindex",),
    )  # fmt: skip


def _cleaning(seen: View) -> None:
    st.subheader(t("knowledge.cleaning"), anchor=False)
    st.caption(t("knowledge.cleaning_help"))
    now = CleaningSettings(**seen.base.cleaning)
    for name in STEPS:
        st.toggle(
            t(f"knowledge.clean_{name}"), value=getattr(now, name), key=f"clean_{name}",
            on_change=_set_cleaning, args=(seen, now, name),
        )  # fmt: skip
    st.toggle(
        t("knowledge.clean_pii"), value=now.pii == "mask", key="clean_pii",
        on_change=_set_cleaning, args=(seen, now, "pii"),
    )  # fmt: skip


def _set_cleaning(seen: View, now: CleaningSettings, name: str) -> None:
    on = bool(st.session_state[f"clean_{name}"])
    value = ("mask" if on else "off") if name == "pii" else on
    changed = now.model_copy(update={name: value}).model_dump(mode="json")
    access.act(lambda session: (service.save_cleaning(session, seen.base.id, changed), True))


def _access(seen: View) -> None:
    st.subheader(t("knowledge.access"), anchor=False)
    st.caption(t("knowledge.access_help"))
    st.toggle(
        t("knowledge.restrict"), value=seen.base.restricted, key="base_restricted",
        on_change=_restrict, args=(seen,),
    )  # fmt: skip
    with access.reading() as session:
        found = rules(session, seen.base.id)
        people = [f"user:{user.name}" for user in list_users(session) if user.role != "admin"]
    for rule in found:
        _rule(seen, rule)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        who = st.selectbox(
            t("knowledge.subject"), people, index=None, key="rule_subject", placeholder="user:NAME",
            accept_new_options=True, width=240,
        )  # fmt: skip
        pairs = uploads.pairs("rule_pairs", "knowledge.rule_pairs")
        st.button(
            t("knowledge.set_rule"), key="rule_set", disabled=not who,
            on_click=_set_rule, args=(seen, who, pairs),
        )  # fmt: skip


def _rule(seen: View, rule: AccessRule) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        shown = uploads.as_text(rule.allowed) or raw("knowledge.everything")
        st.text(f"{rule.subject}: {shown}")
        st.button(
            t("knowledge.remove_rule"), key=f"rule_remove_{rule.subject}", type="tertiary",
            on_click=partial(_drop_rule, seen, rule.subject), icon=":material/close:",
        )  # fmt: skip


def _restrict(seen: View) -> None:
    on = bool(st.session_state["base_restricted"])
    _as_admin(lambda session: restrict(session, service.lock(session, seen.base.id), on))


def _set_rule(seen: View, who: str, pairs: list[str]) -> None:
    try:
        allowed = read_where(pairs)
    except PromptstoneError as error:
        access.refuse(error)
        return
    _as_admin(lambda session: set_rule(session, seen.base, who, allowed))


def _drop_rule(seen: View, who: str) -> None:
    _as_admin(lambda session: set_rule(session, seen.base, who, None))


def _as_admin(change: Callable[[Session], None]) -> None:
    if access.role() == "admin":
        access.act(lambda session: (change(session), True))
