"""Messages as OpenAI's programs write them, as messages of ours."""

from collections.abc import Callable
from typing import Any, cast

from core.errors import Invalid
from prompts.content import MessageTemplate, Role

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user",
    "assistant": "assistant", "model": "assistant", "ai": "assistant", "human": "user",
}  # fmt: skip
_TEXT_PARTS = ("text", "input_text", "output_text")


def messages(value: Any, template: Callable[[str], str]) -> tuple[MessageTemplate, ...]:
    """A list of `{role, content}`; `template` makes Jinja2 of a text. Raises Invalid."""
    if not isinstance(value, list) or not value:
        raise Invalid("It is no list of messages. Write [{role, content}, …].")
    return tuple(message(item, n, template) for n, item in enumerate(cast(list[Any], value), 1))


_READ = {"role", "content", "type", "id", "status", "tool_calls", "function_call"}


def extras(value: Any) -> list[str]:
    """Keys of messages that have no place in a message here, such as `name`."""
    listed = cast(list[Any], value) if isinstance(value, list) else []
    maps = [cast(dict[str, Any], one) for one in listed if isinstance(one, dict)]
    return sorted({key for one in maps for key in one.keys() - _READ if one[key] is not None})


def message(item: Any, number: int, template: Callable[[str], str]) -> MessageTemplate:
    """One message; its content is a text, or parts that are all texts."""
    if not isinstance(item, dict):
        raise Invalid(f"Message {number} is no map of role and content. Correct it.")
    found = cast(dict[str, Any], item)
    role = _ROLES.get(str(found.get("role")))
    if role is None:
        known = ", ".join(_ROLES)
        raise Invalid(f"Message {number} has the role {found.get('role')!r}. Use one of {known}.")
    if found.get("tool_calls") or found.get("function_call"):
        raise Invalid(
            f"Message {number} holds calls of tools, which a prompt here cannot. Drop it."
        )
    return MessageTemplate(role=role, content=template(text_of(found.get("content"), number)))


def text_of(content: Any, number: int) -> str:
    """The text of a message's content; raises Invalid for images and other parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise Invalid(f"Message {number} has no text. Write its content.")
    texts: list[str] = []
    for part in cast(list[Any], content):
        found = cast(dict[str, Any], part) if isinstance(part, dict) else {"type": part}
        if found.get("type") not in _TEXT_PARTS or not isinstance(found.get("text"), str):
            kind = str(found.get("type"))[:40]
            raise Invalid(f"Message {number} holds a part {kind!r}: prompts here hold texts alone.")
        texts.append(found["text"])
    return "\n".join(texts)
