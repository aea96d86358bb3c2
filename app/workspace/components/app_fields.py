"""What an app can be made of, as fields."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from app.workspace.components import access, choices
from app.workspace.strings import raw, t
from connectors.service import list_models
from prompts import service as prompts
from rag.service import list_bases
from serving.settings import AppKind

KINDS: tuple[AppKind, ...] = ("completion", "chat", "rag")
_VERSIONS = 20


class Parts(NamedTuple):
    """Prompts by NAME or NAME@REF, models and bases that there are."""

    prompts: Sequence[str]
    models: Sequence[str]
    bases: Sequence[str]
    usual_model: str


def parts() -> Parts:
    """Everything an app can be made of."""
    with access.reading() as session:
        known = prompts.list_prompts(session, limit=200)
        models = [model.name for model in list_models(session)]
        bases = [base.name for base in list_bases(session)]
        usual = choices.default_model(session)
    refs = [
        ref
        for prompt in known
        for ref in (
            prompt.name,
            *(f"{prompt.name}@{alias}" for alias in prompt.aliases),
            *(
                f"{prompt.name}@{number}"
                for number in range(prompt.newest, max(prompt.newest - _VERSIONS, 0), -1)
            ),
        )
    ]
    return Parts(refs, models, bases, usual)


def prompt(found: Parts, key: str, now: str | None) -> str | None:
    """Which prompt, at a version, an alias or the newest one."""
    options = _with(found.prompts, now)
    return st.selectbox(
        t("apps.prompt"), options, index=_place(options, now), key=key, placeholder="NAME@REF",
        format_func=lambda ref: ref if "@" in ref else raw("apps.newest_of", name=ref),
        help=t("apps.prompt_help"),
    )  # fmt: skip


def model(found: Parts, key: str, now: str | None) -> str | None:
    """Which model is asked first."""
    options = _with(found.models, now)
    usual = now or found.usual_model
    return st.selectbox(t("apps.model"), options, index=_place(options, usual), key=key)


def base(found: Parts, key: str, now: str | None) -> str | None:
    """Which base it answers from, if any."""
    return st.selectbox(
        t("apps.base"), _with(found.bases, now), index=_place(_with(found.bases, now), now),
        key=key, placeholder=raw("apps.no_base"), help=t("apps.base_help"),
    )  # fmt: skip


def kind(key: str, now: AppKind | None) -> AppKind | None:
    """What clients send; None leaves it to the prompt."""
    return st.selectbox(
        t("apps.kind"), KINDS, index=None if now is None else KINDS.index(now), key=key,
        placeholder=raw("apps.kind_auto"), format_func=lambda one: raw(f"apps.kind_{one}"),
        help=t("apps.kind_help"),
    )  # fmt: skip


def _with(options: Sequence[str], now: str | None) -> list[str]:
    """The options, and before them what stands there now though it is gone."""
    return [*([now] if now is not None and now not in options else []), *options]


def _place(options: Sequence[str], now: str | None) -> int | None:
    return options.index(now) if now in options else None
