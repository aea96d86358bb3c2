"""OpenAI's prompt objects (`pmpt_…`), and requests of its APIs, as prompts.

OpenAI ends prompt objects on 30 November 2026.
"""

from typing import Any, cast

from pydantic import ValidationError

from core.errors import Invalid, PromptstoneError
from core.names import check_name, slug
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.foreign import mustache, options
from prompts.foreign.chat import extras, messages, text_of
from prompts.foreign.documents import Entry
from prompts.foreign.found import ForeignPrompt, Found

Json = dict[str, Any]
_MESSAGES = ("messages", "input", "prompt", "instructions")
_READ = {
    "id", "object", "name", "title", "description", "version", "variables", *_MESSAGES,
}  # fmt: skip
_OF_THE_SERVER = {
    "created_at", "updated_at", "created_by", "is_default", "latest_version", "default_version",
    "stream", "stream_options", "store", "n", "status", "project_id", "organization_id",
}  # fmt: skip


def is_prompt(item: Json) -> bool:
    """Whether it holds instructions or messages, and no tests of an eval."""
    named = str(item.get("id") or "").startswith("pmpt_") or item.get("object") == "prompt"
    return named or any(item.get(key) for key in ("messages", "instructions"))


def read_prompts(listed: list[Entry], stem: str) -> Found:
    """Each entry that is a prompt; `stem` names those without a name."""
    found = Found()
    for entry in sorted(listed, key=lambda one: _version(one.item)):
        title = str(entry.item.get("name") or entry.item.get("title") or stem)
        try:
            found.prompts.append(_prompt(entry, title, found))
        except PromptstoneError as error:
            found.refuse(entry.where, title, error)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            found.leave(entry.where, title, first["msg"].removeprefix("Value error, ") + ".")
    return found


def _version(item: Json) -> int:
    text = str(item.get("version") or 0)
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _prompt(entry: Entry, title: str, found: Found) -> ForeignPrompt:
    item = entry.item
    given = {key: value for key, value in item.items() if key not in _READ | _OF_THE_SERVER}
    settings = options.known(given)
    for key, reason in {**settings.left, **_unread(item)}.items():
        found.leave(f"{entry.where}.{key}", f"`{key}` of {title}", reason)
    # Without an id it is a request such as our own export, whose templates are Jinja2.
    jinja = not (item.get("id") or item.get("object"))
    template = str if jinja else mustache.to_jinja
    made = _messages(item, template)
    content = PromptContent(
        messages=made, model=settings.model, options=settings.options, outputs=settings.outputs,
        tools=tuple(settings.tools), inputs=_inputs(item, jinja),
    )  # fmt: skip
    name = _legal(title)
    return ForeignPrompt(
        name, content, title=title if name != title else None,
        description=str(item.get("description") or ""),
    )  # fmt: skip


def _unread(item: Json) -> dict[str, str]:
    """What of messages and variables has no place here, with the reason."""
    given = [key for key in _MESSAGES[:3] if item.get(key)]
    left = dict.fromkeys(given[1:], f"The messages are read from `{given[0]}`.") if given else {}
    for key in (*given[:1], "instructions"):
        for name in extras(item.get(key)):
            left[f"{key}.{name}"] = "A message here has a role and a content."
    variables = item.get("variables")
    for name, value in (cast(Json, variables) if isinstance(variables, dict) else {}).items():
        kind = cast(Json, value).get("type") if isinstance(value, dict) else None
        if str(kind or "").startswith("input_") and kind != "input_text":
            left[f"variables.{name}"] = "Variables here are texts and JSON. Describe it in words."
    return left


def _legal(title: str) -> str:
    try:
        return check_name(title)
    except Invalid:
        return slug(title)


def _messages(item: Json, template: Any) -> tuple[MessageTemplate, ...]:
    """Instructions come first, as a system message where they are a text."""
    made: tuple[MessageTemplate, ...] = ()
    instructions = item.get("instructions")
    if isinstance(instructions, str) and instructions:
        made = (MessageTemplate(role="system", content=template(instructions)),)
    elif isinstance(instructions, list):
        made = messages(instructions, template)
    rest = next((item[key] for key in _MESSAGES[:3] if item.get(key)), None)
    if isinstance(rest, str):
        return (*made, MessageTemplate(role="user", content=template(rest)))
    if rest is not None:
        return (*made, *messages(_typed(rest), template))
    if not made:
        raise Invalid("It holds neither instructions nor messages. Export the prompt itself.")
    return made


def _typed(value: Any) -> Any:
    """Items of the Responses API carry `type: message`."""
    if not isinstance(value, list):
        if isinstance(value, dict) and "id" in value:
            said = str(cast(Json, value)["id"])[:80]
            raise Invalid(f"It asks with the prompt {said}. Export that prompt itself.")
        return value
    listed = cast(list[Any], value)
    for one in [cast(Json, one) for one in listed if isinstance(one, dict)]:
        if one.get("type") not in (None, "message"):
            raise Invalid(f"It holds an item {str(one.get('type'))[:40]!r}, which is no message.")
    return listed


def _inputs(item: Json, jinja: bool) -> tuple[Variable, ...]:
    given = item.get("variables")
    known = cast(Json, given) if isinstance(given, dict) else {}
    if isinstance(given, list):
        known = {str(_name(one)): None for one in cast(list[Any], given)}
    used = [] if jinja else [name for text in _texts(item) for name in mustache.variables(text)]
    return tuple(
        Variable(name=name, example=_example(known.get(name)))
        for name in dict.fromkeys([*known, *used])
    )


def _name(value: Any) -> Any:
    return cast(Json, value).get("name") if isinstance(value, dict) else value


def _example(value: Any) -> Any:
    """A variable's value, or the default or example in its declaration."""
    if not isinstance(value, dict):
        return value
    found = cast(Json, value)
    return next((found[key] for key in ("default", "example", "text") if key in found), None)


def _texts(item: Json) -> list[str]:
    found: list[str] = []
    for key in _MESSAGES:
        value = item.get(key)
        if isinstance(value, str):
            found.append(value)
        for n, one in enumerate(cast(list[Any], value) if isinstance(value, list) else [], 1):
            if isinstance(one, dict):
                found.append(text_of(cast(Json, one).get("content"), n))
    return found
