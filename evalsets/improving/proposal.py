"""A model's words as the messages of a prompt: parsed strictly, compiled, and refused with reason.

Nothing that a model said is saved here, and none of it is rendered: its templates are compiled in
the sandbox to learn what they read.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from core.canonical import Json
from core.errors import Invalid, PromptstoneError
from evalsets.evaluators.said import object_said
from prompts.checks import check_content
from prompts.content import MessageTemplate, PromptContent
from prompts.include import Pin

SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "messages": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["reason", "messages"],
    "additionalProperties": False,
}
MAX_REASON = 2_000


class RefusedError(Invalid):
    """A proposal that must not become a version; `reason` says what is wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The proposal is refused: {reason}. Ask again or another model.")
        self.reason = reason


class Proposal(NamedTuple):
    """A content that may be shown to a person, and why the model thinks it is better."""

    content: PromptContent
    reason: str


def proposed(before: PromptContent, said: str) -> Proposal:
    """The new content in an answer; raises RefusedError. Not in a transaction: it compiles."""
    found = object_said(said)
    if found is None:
        raise RefusedError("the answer is not one JSON object")
    texts = _texts(found, len(before.messages))
    if texts == [message.content for message in before.messages]:
        raise RefusedError("every message is as it was")
    content = _content(before, texts)
    _refuse_others(before, content)
    reason = found.get("reason")
    return Proposal(content, reason[:MAX_REASON] if isinstance(reason, str) else "")


def _texts(found: dict[str, Any], count: int) -> list[str]:
    """One text per message; anything else is refused."""
    extra = sorted(found.keys() - {"reason", "messages"})
    if extra:
        raise RefusedError(f"it holds {extra[0][:40]!r} beside reason and messages")
    texts = found.get("messages")
    if not isinstance(texts, list) or not all(
        isinstance(one, str) for one in cast(list[Any], texts)
    ):
        raise RefusedError("messages is not a list of texts")
    listed = [text.replace("\r\n", "\n") for text in cast(list[str], texts)]
    if len(listed) != count:
        raise RefusedError(f"it holds {len(listed)} messages and the prompt {count}")
    if not any(text.strip() for text in listed):
        raise RefusedError("all its messages are empty")
    return listed


def _content(before: PromptContent, texts: Sequence[str]) -> PromptContent:
    try:
        messages = tuple(
            MessageTemplate(role=old.role, content=text)
            for old, text in zip(before.messages, texts, strict=True)
        )
    except ValidationError as error:
        what = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise RefusedError(f"a message cannot be kept, {what}") from None
    return before.model_copy(update={"messages": messages})


def _refuse_others(before: PromptContent, after: PromptContent) -> None:
    """Refuse what compiles to other variables or snippets than those of the prompt."""
    old = check_content(before)
    try:
        new = check_content(after)
    except PromptstoneError as error:
        raise RefusedError(f"it is no valid template, {error.message.rstrip('.')}") from None
    lacks = [name for name in old.used if name not in new.used]
    if lacks:
        raise RefusedError(f"it no longer reads the variable {lacks[0]!r}")
    known = {*old.used, *old.optional, *(variable.name for variable in before.inputs)}
    more = [name for name in new.used if name not in known]
    if more:
        raise RefusedError(f"it reads the variable {more[0][:80]!r}, which no case has")
    included = [ref for ref in new.includes if ref not in old.includes]
    if included:
        raise RefusedError(
            f"it includes the snippet {included[0][:80]!r}, which the prompt did not"
        )


def pins(content: PromptContent) -> dict[str, Pin]:
    """What the prompt's own snippets were pinned at, for `prompts.checks.prepared`."""
    return {one.ref: Pin(one.version, "") for one in content.includes if one.within is None}
