"""A first prompt from the description of a task: asked of a model, parsed strictly, never saved."""

import json
from typing import Any, cast

from pydantic import ValidationError

from connectors.wire import Message
from core.canonical import Json
from core.errors import Invalid, PromptstoneError
from evalsets.evaluators.said import object_said
from evalsets.improving.proposal import MAX_REASON, Proposal, RefusedError
from prompts.checks import check_content
from prompts.content import MessageTemplate, PromptContent, Variable

MOST_TASK = 20_000
MOST_MESSAGES = 10
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "role": {"enum": ["system", "user"]},
                    "text": {"type": "string"},
                },
                "required": ["role", "text"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["reason", "messages"],
    "additionalProperties": False,
}
SYSTEM = """\
You write prompts for language models. The user's message holds a JSON document that describes a \
task. Write a prompt that does it: usually one system message with role, rules and form of the \
answer, and one user message with what changes from call to call.

Write each thing that changes as a Jinja2 variable with a short name, such as {{ question }}; use \
no other template syntax. Do not invent facts about the task.

Reply with one JSON object and nothing else:
{"reason": "what you assumed, in one or two sentences", \
"messages": [{"role": "system" | "user", "text": "…"}]}"""


def messages(task: str) -> list[Message]:
    """The call that asks for a draft; raises Invalid for no description or a long one."""
    if not task.strip():
        raise Invalid("There is no description. Write what the prompt shall do.", param="task")
    if len(task) > MOST_TASK:
        raise Invalid(f"The description has more than {MOST_TASK} characters. Shorten it.")
    text = json.dumps({"task": task}, ensure_ascii=False)
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"{text}\n\nReply with the JSON object alone."},
    ]


def drafted(said: str) -> Proposal:
    """The content in an answer, its variables declared; raises RefusedError. Not in a transaction:
    it compiles."""
    found = object_said(said)
    if found is None or found.keys() - {"reason", "messages"}:
        raise RefusedError("the answer is not one JSON object with messages")
    content = PromptContent(messages=_messages(found.get("messages")))
    try:
        report = check_content(content)
        if report.includes:
            raise RefusedError(f"it includes the snippet {report.includes[0][:80]!r}")
        inputs = tuple(
            Variable(name=name, required=name not in report.optional) for name in report.used
        )
    except RefusedError:
        raise
    except ValidationError as error:
        raise RefusedError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    except PromptstoneError as error:
        raise RefusedError(f"it is no valid template, {error.message.rstrip('.')}") from None
    reason = found.get("reason")
    return Proposal(
        content.model_copy(update={"inputs": inputs}),
        reason[:MAX_REASON] if isinstance(reason, str) else "",
    )


def _messages(listed: Any) -> tuple[MessageTemplate, ...]:
    if not isinstance(listed, list) or not 1 <= len(cast(list[Any], listed)) <= MOST_MESSAGES:
        raise RefusedError(f"it holds no list of 1 to {MOST_MESSAGES} messages")
    made: list[MessageTemplate] = []
    for one in cast(list[Any], listed):
        fields = cast(dict[str, Any], one) if isinstance(one, dict) else {}
        if fields.keys() != {"role", "text"} or fields["role"] not in ("system", "user"):
            raise RefusedError("a message is not a role, system or user, and a text")
        try:
            made.append(MessageTemplate(role=fields["role"], content=fields["text"]))
        except ValidationError as error:
            what = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise RefusedError(f"a message cannot be kept, {what}") from None
    if not any(message.content.strip() for message in made):
        raise RefusedError("all its messages are empty")
    return tuple(made)
