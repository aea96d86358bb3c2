"""Forms from settings classes: one field of the page for each field of the class."""

import json
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.workspace.components.plain import plain

_LONG = {"rubric", "definition", "pattern"}


def settings_form(
    settings: type[BaseModel],
    key: str,
    *,
    skip: frozenset[str],
    offers: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """What is filled in, by field name; an empty field is left out, so that its default holds.

    A field of `offers` takes one of the names that stand there.
    """
    found: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        if name in skip:
            continue
        names = (offers or {}).get(name)
        value = (
            _field(name, field, f"{key}_{name}")
            if names is None
            else _one_of(name, field, f"{key}_{name}", names)
        )
        if value not in (None, ""):
            found[name] = value
    return found


def _field(name: str, field: FieldInfo, key: str) -> Any:
    kind, label = _kind(field.annotation), plain(name)
    note = plain(field.description) if field.description else None
    if kind is bool:
        return st.toggle(label, value=bool(field.default), key=key, help=note)
    if kind in (int, float):
        step = 1 if kind is int else None
        return st.number_input(label, value=None, step=step, key=key, help=note)
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        return st.selectbox(label, options, index=options.index(field.default), key=key, help=note)
    if get_origin(kind) in (dict, tuple):
        return _parsed(st.text_area(label, key=key, help=note, placeholder="{ }"))
    if name in _LONG:
        return st.text_area(label, key=key, help=note, height=90)
    return st.text_input(label, key=key, help=note)


def _one_of(name: str, field: FieldInfo, key: str, names: Sequence[str]) -> str | None:
    note = plain(field.description) if field.description else None
    return st.selectbox(plain(name), names, index=None, key=key, help=note, placeholder="")


def _kind(annotation: Any) -> Any:
    """The type that a field takes, without `| None` and annotations."""
    if get_origin(annotation) in (Union, types.UnionType):
        return _kind(next(a for a in get_args(annotation) if a is not type(None)))
    inner = getattr(annotation, "__metadata__", None)
    return _kind(get_args(annotation)[0]) if inner is not None else annotation


def _parsed(text: str) -> Any:
    """JSON where it is JSON, else the text, which the settings class refuses with a reason."""
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text
