"""Role markers in the body of a `.prompty` file, and the escape that keeps lines like them text.

A marker is a line of its own: `system:`, `user:`, `assistant:`, also `# user:` and
`user[name="x"]:` (Prompty specification 2.10). A line of text that would be read as a marker is
written with a backslash before it; every marker-like line loses one backslash when read.
`[exact=true]` says that blank lines around the text belong to it.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from prompts.content import MessageTemplate, Role

_MARKER = r"\s*#?\s*(system|user|assistant)(\[[^\]]*\])?\s*:\s*"
_BOUNDARY = re.compile(_MARKER, re.IGNORECASE)
_LOOKS_LIKE_ONE = re.compile(r"\\*" + _MARKER, re.IGNORECASE)
_ESCAPED = re.compile(r"\\+" + _MARKER, re.IGNORECASE)
_EXACT = re.compile(r"\[\s*exact\s*=\s*\"?true\"?\s*\]", re.IGNORECASE)
_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


class Body(NamedTuple):
    """The messages of a body and what was left out of it."""

    messages: list[MessageTemplate]
    notices: list[str]


def read_body(text: str) -> Body:
    """Cut the body at its markers; text before the first one is a system message."""
    notices: list[str] = []
    messages: list[MessageTemplate] = []
    role: Role = "system"
    exact = False
    lines: list[str] = []
    opened = False

    def close() -> None:
        content = "\n".join(lines) if exact else "\n".join(lines).strip("\n")
        if opened or content.strip():
            messages.append(MessageTemplate(role=role, content=content))

    for line in text.removesuffix("\n").split("\n"):
        found = _BOUNDARY.fullmatch(line)
        if found is None:
            lines.append(line[1:] if _ESCAPED.fullmatch(line) else line)
            continue
        close()
        role, exact, opened, lines = _ROLES[found[1].lower()], False, True, []
        if found[2]:
            exact = bool(_EXACT.fullmatch(found[2]))
            if not exact:
                notices.append(f"The attributes {found[2]} of a {role} message are left out.")
    close()
    return Body(messages, notices)


def write_body(messages: Iterable[MessageTemplate]) -> str:
    """The body that `read_body` reads back as exactly these messages."""
    return "".join(_section(message) for message in messages)


def _section(message: MessageTemplate) -> str:
    lines = [f"\\{x}" if _LOOKS_LIKE_ONE.fullmatch(x) else x for x in message.content.split("\n")]
    text = "\n".join(lines)
    if message.content.strip("\n") != message.content:
        return f"{message.role}[exact=true]:\n{text}\n"
    return f"{message.role}:\n{text}\n\n"
