"""Looks at the chat template of a model before it is used: by the one renderer, like any other."""

import re

from core.errors import Invalid
from prompts.content import MessageTemplate
from prompts.outcome import TemplateError
from prompts.template import renderer

MOST_CHARACTERS = 1 << 20
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


def _invalid(why: str, param: str) -> Invalid:
    return Invalid(
        f"The chat template of this model cannot be used: {why}. Choose another model.",
        param=param,
    )
