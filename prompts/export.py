"""A version as other programs take it: JSON, OpenAI's request, Langfuse, Prompty."""

from typing import Any, Literal

import orjson

from prompts.content import MessageTemplate, PromptContent
from prompts.files import write_prompty
from prompts.foreign import mustache
from prompts.foreign.langfuse import TEMPLATE
from prompts.include import Include
from prompts.models import PromptPublic
from prompts.template import renderer

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
        "mocks": content.get("mocks", []),
        "includes": [_include(one) for one in prompt.content.includes],
        "based_on": prompt.based_on,
    }


def _include(one: Include) -> dict[str, Any]:
    return {
        "ref": one.ref, "name": one.name, "version": one.version, "text": one.text,
        "within": one.within,
    }  # fmt: skip


def export(prompt: PromptPublic, form: Format = "prompty") -> str:
    """The text of an export file; templates stay Jinja2 in every form.

    Prompty keeps the includes and lists their pins, so that a push here gives the same version;
    the other forms have the included texts in their messages. Langfuse fills in variables alone:
    `template_format` says so where a template does more.
    """
    if form == "prompty":
        return prompty(prompt)
    value = _langfuse(prompt) if form == "langfuse" else openai_body(prompt.content)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def prompty(prompt: PromptPublic, *, based_on: int | None = None) -> str:
    """A `.prompty` file; one that changes version `based_on` says so."""
    return write_prompty(
        prompt.name,
        prompt.content,
        title=prompt.title,
        description=prompt.description,
        tags=prompt.tags,
        based_on=based_on,
    )


def openai_body(content: PromptContent) -> dict[str, Any]:
    """The body of a chat completion with unrendered templates as messages."""
    body: dict[str, Any] = {
        "model": content.model,
        "messages": [m.model_dump() for m in renderer().inlined(content)],
        **content.options,
    }
    if content.outputs is not None:
        schema = {"name": "output", "schema": content.outputs}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if content.tools:
        body["tools"] = list(content.tools)
    return body


def _langfuse_message(
    message: MessageTemplate, text: str | None, threads: frozenset[str]
) -> dict[str, str]:
    """A message, or the placeholder that messages are inserted at."""
    name = message.content.strip().removeprefix("{{").removesuffix("}}").strip()
    if name in threads:
        return {"type": "placeholder", "name": name}
    return {"role": message.role, "content": message.content if text is None else text}


def _langfuse(prompt: PromptPublic) -> dict[str, Any]:
    """The body of Langfuse's POST /api/public/v2/prompts for a chat prompt."""
    content = prompt.content.model_dump(mode="json")
    keys = ("model", "inputs", "outputs", "tools", "mocks")
    config = {key: content[key] for key in keys if content.get(key)}
    templates = renderer().inlined(prompt.content)
    texts = [mustache.from_jinja(one.content) for one in templates]
    if None in texts:
        config[TEMPLATE] = "jinja2"
    messages = [
        _langfuse_message(one, text, prompt.content.threads)
        for one, text in zip(templates, texts, strict=True)
    ]
    return {
        "name": prompt.name,
        "type": "chat",
        "prompt": messages,
        "config": {**content["options"], **config},
        "labels": list(prompt.aliases),
        "tags": list(prompt.tags),
        "commitMessage": prompt.message or None,
    }
