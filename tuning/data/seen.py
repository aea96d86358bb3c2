"""A training row as a model reads it: its chat template filled in, and what of it is learned."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from connectors.backends.formats import check_model
from core.errors import Invalid
from prompts.chat_template import Conversation, render_chats
from tuning.bases import digest_of
from tuning.data.rows import Row, as_trl
from tuning.folders import turned_folder
from tuning.pieces import Messages, Piece, cut, cut_answer

_ANSWERS = ("chosen", "rejected", "completion")


class Face(NamedTuple):
    """How a model wants to be spoken to: its chat template and its special tokens by name."""

    template: str
    tokens: Mapping[str, str]


class Part(NamedTuple):
    """What is learned at a time: the conversation (`messages`) or one answer of a row."""

    name: str
    pieces: list[Piece]


def face_of(data: Path, base: Path) -> Face:
    """The face of a model's folder or GGUF file; raises Invalid when it has none."""
    template = check_model(base).chat_template
    if template is None:
        raise Invalid(
            f"{base.name} has no chat template, so no conversation can be written for it. Choose a "
            "model that was tuned to chat.",
            param="base",
        )
    folder = base if base.is_dir() else turned_folder(data, digest_of(base))
    return Face(template, _tokens(folder / "tokenizer_config.json"))


def seen(face: Face, row: Row) -> list[Part]:
    """A row of answers as one part, of preferences or thumbs a part for each answer.

    Raises Invalid when the template refuses the conversation.
    """
    found = cast(dict[str, Any], as_trl(row))
    tools = found.get("tools") or []

    def render(messages: Messages, ask: bool) -> str:
        return render_chats(face.template, [Conversation(messages, tools, ask)], face.tokens)[0]

    if "messages" in found:
        return [Part("messages", cut(render, found["messages"]))]
    return [
        Part(name, cut_answer(render, found["prompt"], found[name]))
        for name in _ANSWERS
        if name in found
    ]


def _tokens(file: Path) -> dict[str, str]:
    """`bos_token` and its like; as text, or as a token with its settings."""
    try:
        config = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    found: dict[str, str] = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        value = config.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            found[name] = text
    return found
