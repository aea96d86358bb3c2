"""Code that makes exactly the call at hand."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.workspace.strings import t
from connectors.service import ModelPublic


def draw(
    model: ModelPublic,
    messages: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    content: Mapping[str, Any],
) -> None:
    """Python for an OpenAI-compatible address; the body alone where there is none."""
    body = {"model": model.settings.model, "messages": list(messages), **params}
    if content.get("outputs"):
        schema = {"name": "output", "schema": content["outputs"]}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if content.get("tools"):
        body["tools"] = content["tools"]
    if model.settings.base_url:
        st.code(_python(model, body), language="python", wrap_lines=True)
    st.caption(t("prompts.request"))
    st.code(json.dumps(body, indent=2, ensure_ascii=False), language="json", wrap_lines=True)


def _python(model: ModelPublic, body: Mapping[str, Any]) -> str:
    variable = model.settings.api_key_env or "API_KEY"
    given = "".join(f"    {name}={value!r},\n" for name, value in body.items())
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        f"client = OpenAI(base_url={model.settings.base_url!r}, "
        f"api_key=os.environ.get({variable!r}, ''))\n"
        f"answer = client.chat.completions.create(\n{given})\n"
        "print(answer.choices[0].message.content)\n"
    )
