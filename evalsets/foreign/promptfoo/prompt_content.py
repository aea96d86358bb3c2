"""A prompt's text of promptfoo, or its chat messages, as the content of a version."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from core.errors import Invalid
from prompts.content import MessageTemplate, PromptContent
from prompts.foreign import options, plain_yaml
from prompts.foreign.chat import extras, messages
from prompts.foreign.nunjucks import to_jinja

_BESIDE = "It stands beside the messages. Write it into the prompt's `config`."


def json_of(text: str, what: str) -> Any:
    """JSON, or Invalid that says where a template belongs."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid(
            f"{what} is no JSON before it is rendered. Write the template inside the messages."
        ) from None


class Content(NamedTuple):
    """A version's content, and what of its settings was left, with the reason."""

    content: PromptContent
    left: dict[str, str]


def content_of(raw: Any, given: Mapping[str, Any]) -> Content:
    """A text, a list of messages or `{messages}` with the prompt's own options; raises Invalid."""
    left: dict[str, str] = {}
    if isinstance(raw, str):
        raw = _chat(raw)
    if isinstance(raw, dict) and isinstance(cast(dict[str, Any], raw).get("messages"), list):
        whole = cast(dict[str, Any], raw)
        raw = whole["messages"]
        left = dict.fromkeys(whole.keys() - {"messages"}, _BESIDE)
    if isinstance(raw, str):
        found = (MessageTemplate(role="user", content=to_jinja(raw)),)
    elif isinstance(raw, list):
        found = messages(raw, to_jinja)
        left |= dict.fromkeys(extras(raw), "A message here has a role and a content.")
    else:
        raise Invalid("It is neither a text nor a list of messages. Rewrite it.")
    settings = options.known(given)
    content = PromptContent(
        messages=found,
        options=settings.options,
        outputs=settings.outputs,
        tools=tuple(settings.tools),
        model=settings.model,
    )
    return Content(content, {**left, **settings.left})


def _chat(text: str) -> Any:
    """Messages where a text is a JSON or YAML list of them, else the text."""
    start = text.lstrip()
    if start.startswith("["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            if re.search(r"\"role\"\s*:", text):
                raise Invalid(
                    "Its list of messages is no JSON before it is rendered. Write the template "
                    "inside the messages."
                ) from None
            return text
        return value if _is_chat(value) else text
    if start.startswith("- role:"):
        return plain_yaml.load(text, "the prompt")
    return text


def _is_chat(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and "role" in item for item in cast(list[Any], value)
    )
