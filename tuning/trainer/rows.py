"""Rows of a job: read against their hash, and turned into tokens with what is learned marked."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tuning.methods import RowKind
from tuning.pieces import Messages, cut
from tuning.trainer.refusal import Refused

_NEEDED: dict[RowKind, tuple[str, ...]] = {
    "sft": ("messages",),
    "dpo": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
}
_IGNORED = -100


class Tokens(NamedTuple):
    """A row as the model sees it; `labels` are -100 where nothing is learned."""

    input_ids: list[int]
    labels: list[int]


def read(path: Path, kind: RowKind, expected: str) -> list[dict[str, Any]]:
    """The rows of a JSONL file whose sha256 is `expected`. Raises Refused, naming the line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path.name} cannot be read ({error.strerror}). Start a new job.") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise Refused(f"{path.name} is not what the job was started with. Start a new job.")
    rows = [_row(path.name, number, line, kind) for number, line in _lines(data)]
    if not rows:
        raise Refused(f"{path.name} has no rows. Start a job with rows to learn from.")
    return rows


def spoken(tokenizer: Any, row: dict[str, Any], most: int) -> Tokens | None:
    """A conversation as tokens, of which the assistant's are learned; None if none of them is left.

    What precedes an answer is tokenized by itself, as a server does before the answer exists.
    """
    messages, tools = row["messages"], row.get("tools")
    ids: list[int] = []
    labels: list[int] = []

    def text_of(some: Messages, ask: bool) -> str:
        return render(tokenizer, some, tools, ask)

    for text, learned in cut(text_of, messages):
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        labels += piece if learned else [_IGNORED] * len(piece)
    ids, labels = ids[:most], labels[:most]
    return Tokens(ids, labels) if any(label != _IGNORED for label in labels) else None


def render(
    tokenizer: Any, messages: Sequence[dict[str, Any]], tools: list[Any] | None, ask: bool = False
) -> str:
    """A conversation as text; with `ask`, up to where the next answer begins. Raises Refused."""
    try:
        return tokenizer.apply_chat_template(
            list(messages), tools=tools, tokenize=False, add_generation_prompt=ask
        )
    except Exception as error:
        said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise Refused(
            f"The chat template of the base cannot render a row ({said}). Change the rows or "
            "choose another base."
        ) from error


def _lines(data: bytes) -> list[tuple[int, bytes]]:
    return [(n, line) for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]


def _row(name: str, number: int, line: bytes, kind: RowKind) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused(f"Line {number} of {name} is no JSON. Correct it, start a new job.") from None
    lacking = [key for key in _NEEDED[kind] if not isinstance(row, dict) or key not in row]
    if lacking:
        raise Refused(f"Line {number} of {name} has no {lacking[0]}. Correct it, start a new job.")
    turns = [key for key in _NEEDED[kind] if key != "label"]
    for key in turns:
        if not _are_messages(row[key]):
            raise Refused(
                f"{key} in line {number} of {name} is not a list of messages. Correct it, start a "
                "new job."
            )
    answers = row.get("messages")
    if answers is not None and not any(turn["role"] == "assistant" for turn in answers):
        raise Refused(f"Line {number} of {name} has no answer. Correct it, start a new job.")
    return row


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(turn, dict) and isinstance(turn.get("role"), str) and "content" in turn
            for turn in value
        )
    )
