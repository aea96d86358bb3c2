"""Code that makes exactly the call at hand, in one of three languages, and its body."""

import json

import streamlit as st

from app.workspace.components.request_code import LANGUAGES, Asked
from app.workspace.strings import raw, t
from connectors.body import build_body
from connectors.service import ModelPublic, shown_target
from connectors.wire import ChatRequest


def draw(model: ModelPublic, request: ChatRequest, *, key: str) -> None:
    """Code for an OpenAI-compatible address; the body alone where there is none."""
    body = build_body(shown_target(model), request)
    if model.settings.kind == "openai" and model.settings.base_url:
        language = st.segmented_control(
            t("prompts.code_language"), list(LANGUAGES), default="python", required=True,
            key=f"{key}_language", format_func=lambda code: raw(f"apps.lang_{code}"),
            label_visibility="collapsed",
        )  # fmt: skip
        variable = model.settings.api_key_env or "API_KEY"
        asked = Asked(model.settings.base_url, variable, body)
        text = LANGUAGES[str(language or "python")](asked)
        # Without colours: those of the highlighter are too pale to read.
        st.code(text, language=None, wrap_lines=True)
    else:
        st.caption(t("prompts.code_none", kind=model.settings.kind))
    st.caption(t("prompts.request"))
    st.code(json.dumps(body, indent=2, ensure_ascii=False), language=None, wrap_lines=True)
