"""A text area that holds JSON; what is no JSON changes nothing and says so."""

import json
from collections.abc import Callable
from typing import Any

import streamlit as st

from app.workspace.components import access
from app.workspace.components.working import Working
from app.workspace.strings import raw, t
from core.errors import PromptstoneError


def json_field(copy: Working, name: str, value: Any, store: Callable[[Any], None]) -> None:
    """`name` is the string key of the label; `store` may raise what the person is told."""
    key = f"option_{copy.name}_{copy.revision}_{name}"

    def changed() -> None:
        text = st.session_state[key].strip()
        try:
            store(json.loads(text) if text else None)
        except PromptstoneError as error:
            access.refuse(error)
        except ValueError:
            access.refuse(PromptstoneError(raw("prompts.bad_json", field=raw(name))))

    text = "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
    st.text_area(t(name), value=text, key=key, on_change=changed, height=90)
