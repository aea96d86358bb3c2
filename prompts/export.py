"""A version as other programs take it: JSON, OpenAI's request, Langfuse, Prompty."""

from typing import Any, Literal

import orjson

from prompts.content import PromptContent
from prompts.files import write_prompty
from prompts.models import PromptPublic

Format = Literal["prompty", "langfuse", "openai"]


def prompt_json(prompt: PromptPublic) -> dict[str, Any]:
    """What `prompt show --json` prints (CONTRACT: JSON), and the settings beside it."""
    content = prompt.content.model_dump(mode="json")
    return {
        "name": prompt.name,
        "version": prompt.version,
        "hash": prompt.hash,
        "aliases": list(prompt.aliases),
        "messages": content["messages"],
        "inputs": content["inputs"],
        "model": content["model"],
        "tags": list(prompt.tags),
        "message": prompt.message,
        "author": prompt.author,
        "created_at": prompt.created_at.isoformat(),
        "title": prompt.title,
        "description": prompt.description,
        "options": content["options"],
        "outputs": content["outputs"],
        "tools": content["tools"],
        "based_on": prompt.based_on,
    }


def export(prompt: PromptPublic, form: Format = "prompty") -> str:
    """The text of an export file; templates stay Jinja2 in every form."""
    if form == "prompty":
        return write_prompty(
            prompt.name,
            prompt.content,
            title=prompt.title,
            description=prompt.description,
            tags=prompt.tags,
        )
    value = _langfuse(prompt) if form == "langfuse" else openai_body(prompt.content)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def openai_body(content: PromptContent) -> dict[str, Any]:
    """The body of a chat completion with unrendered templates as messages."""
    body: dict[str, Any] = {
        "model": content.model,
        "messages": [m.model_dump() for m in content.messages],
        **content.options,
    }
    if content.outputs is not None:
        schema = {"name": "output", "schema": content.outputs}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if content.tools:
        body["tools"] = list(content.tools)
    return body


def _langfuse(prompt: PromptPublic) -> dict[str, Any]:
    """The body of Langfuse's POST /api/public/v2/prompts for a chat prompt."""
    content = prompt.content.model_dump(mode="json")
    config = {key: content[key] for key in ("model", "inputs", "outputs", "tools") if content[key]}
    return {
        "name": prompt.name,
        "type": "chat",
        "prompt": content["messages"],
        "config": {**content["options"], **config},
        "labels": list(prompt.aliases),
        "tags": list(prompt.tags),
        "commitMessage": prompt.message or None,
    }
