"""Chat templates of models, by the one renderer like any other: looked at, and filled."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.errors import Invalid
from prompts.content import MessageTemplate
from prompts.outcome import TemplateError
from prompts.template import renderer

MOST_CHARACTERS = 1 << 20
_GENERATION = re.compile(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")
"""Marks what an assistant says and writes nothing: to a model library a tag like any other."""
_BEYOND = re.compile(
    r"\{%[-+]?\s*(?:break|continue|generation|endgeneration)\s*[-+]?%\}", re.DOTALL
)
"""Tags that chat templates know and prompts do not; they take no values."""
_CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Goodbye"},
    ],
    "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
    "add_generation_prompt": True, "tools": None, "documents": None, "custom_tools": None,
    "enable_thinking": False, "date_string": "2026-01-01",
}  # fmt: skip
_WRONG = ("syntax", "refused", "limit")
"""What no chat template does. Others may ask for values and functions that are not here."""


def check_chat_template(source: str) -> None:
    """Compile and try it in the confined child. Raises Invalid."""
    if len(source) > MOST_CHARACTERS:
        raise _invalid("it is longer than any template", "source")
    plain = _BEYOND.sub("", source)
    try:
        renderer().render([MessageTemplate(role="system", content=plain)], _CHAT)
    except TemplateError as error:
        if error.problem.kind in _WRONG:
            raise _invalid(error.message.rstrip("."), "source") from None


class Conversation(NamedTuple):
    """Messages as the wire has them; `ask` ends the text where the next answer begins."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    ask: bool = False


def render_chats(
    source: str, chats: Sequence[Conversation], tokens: Mapping[str, str]
) -> list[str]:
    """What a model reads of conversations; `tokens` are its own, such as `bos_token`.

    Raises Invalid, in the template's own words where it refuses a conversation.
    """
    plain = _GENERATION.sub(_unmarked, source)
    values = [
        {
            "messages": [dict(message) for message in chat.messages],
            "tools": [dict(tool) for tool in chat.tools] or None,
            "add_generation_prompt": chat.ask,
            **tokens,
        }
        for chat in chats
    ]
    made: list[str] = []
    for text in renderer().chats(plain, values):
        if not isinstance(text, str):
            raise Invalid(
                "The chat template of the model cannot hold this conversation "
                f"({text.sentence.rstrip('.')}). Change the row, or choose another model."
            )
        made.append(text)
    return made


def _unmarked(tag: re.Match[str]) -> str:
    return f"{{%{tag[1]} {'endif' if tag[2] else 'if true'} {tag[3]}%}}"


def _invalid(why: str, param: str) -> Invalid:
    return Invalid(
        f"The chat template of this model cannot be used: {why}. Choose another model.",
        param=param,
    )
