"""Rows that a model learns from, whatever format they came in. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from core.canonical import Json, canonical_json
from tuning.methods import RowKind

Role = Literal["system", "user", "assistant", "tool"]


class Turn(NamedTuple):
    """A message; `calls` are its tool calls as OpenAI's wire has them, as canonical JSON."""

    role: Role
    content: str
    calls: str = ""
    name: str = ""


Turns = tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class SftRow:
    """A conversation that ends with an answer: every turn of the assistant is learned.

    `tools` is a JSON list of what OpenAI's wire calls tools, empty where there are none.
    """

    kind: ClassVar[RowKind] = "sft"
    messages: Turns
    tools: str = ""


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two answers to one prompt, the better one first."""

    kind: ClassVar[RowKind] = "dpo"
    messages: Turns
    chosen: Turns
    rejected: Turns
    tools: str = ""


@dataclass(frozen=True, slots=True)
class ThumbRow:
    """An answer with a thumb: up is True."""

    kind: ClassVar[RowKind] = "kto"
    messages: Turns
    completion: Turns
    label: bool
    tools: str = ""


Row = SftRow | PairRow | ThumbRow


def prompt_of(row: Row) -> Turns:
    """What is asked: of a conversation all before its last answer."""
    if not isinstance(row, SftRow):
        return row.messages
    return row.messages[: answer_start(row.messages)]


def answers_of(row: Row) -> tuple[Turns, ...]:
    """The last answers, the better one first."""
    if isinstance(row, SftRow):
        return (row.messages[answer_start(row.messages) :],)
    return (row.chosen, row.rejected) if isinstance(row, PairRow) else (row.completion,)


def answer_start(messages: Sequence[Turn]) -> int:
    """Where the last answer begins: tool calls and their results belong to it."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role in ("user", "system"):
            return place + 1
    return 0


def as_kind(row: Row, kind: RowKind) -> tuple[Row, ...]:
    """The row as rows of another kind: none where it cannot be one.

    A pair is one good answer (sft) or a good and a bad one (kto); a thumb up is a good answer,
    an answer is a thumb up.
    """
    if row.kind == kind:
        return (row,)
    if isinstance(row, PairRow) and kind == "sft":
        return (SftRow(row.messages + row.chosen, row.tools),)
    if isinstance(row, PairRow) and kind == "kto":
        good = ThumbRow(row.messages, row.chosen, True, row.tools)
        return (good, ThumbRow(row.messages, row.rejected, False, row.tools))
    if isinstance(row, ThumbRow) and kind == "sft" and row.label:
        return (SftRow(row.messages + row.completion, row.tools),)
    if isinstance(row, SftRow) and kind == "kto":
        return (ThumbRow(prompt_of(row), answers_of(row)[0], True, row.tools),)
    return ()


def is_empty(row: Row) -> bool:
    """Whether nothing is asked, or nothing is said where something should be learned.

    An empty answer may well be the rejected one.
    """
    if any(turn.role == "user" and not turn.content.strip() for turn in row.messages):
        return True
    if isinstance(row, ThumbRow) and not row.label:
        return False
    last = answers_of(row)[0][-1]
    return not (last.content.strip() or last.calls)


# -- out -----------------------------------------------------------------------------------


def as_message(turn: Turn) -> dict[str, Json]:
    """A turn as OpenAI's wire and chat templates have it."""
    found: dict[str, Json] = {"role": turn.role, "content": turn.content}
    if turn.calls:
        found["tool_calls"] = json.loads(turn.calls)
    if turn.name:
        found["name"] = turn.name
    return found


def as_messages(turns: Sequence[Turn]) -> list[Json]:
    """The same of several."""
    return [as_message(turn) for turn in turns]


def as_trl(row: Row) -> dict[str, Json]:
    """The row in TRL's conversational form (its page "Dataset formats and types")."""
    found: dict[str, Json]
    if isinstance(row, SftRow):
        found = {"messages": as_messages(row.messages)}
    elif isinstance(row, PairRow):
        found = {
            "prompt": as_messages(row.messages),
            "chosen": as_messages(row.chosen),
            "rejected": as_messages(row.rejected),
        }
    else:
        found = {
            "prompt": as_messages(row.messages),
            "completion": as_messages(row.completion),
            "label": row.label,
        }
    return {**found, "tools": json.loads(row.tools)} if row.tools else found


class Columns(NamedTuple):
    """A row as a case of a data set."""

    inputs: dict[str, Json]
    expected: str | None


def as_columns(row: Row) -> Columns:
    """The columns that we write; `reading.read_row` reads the same row of them."""
    tools: Mapping[str, Json] = {"tools": json.loads(row.tools)} if row.tools else {}
    if isinstance(row, SftRow):
        *prompt, last = row.messages
        if not _is_text(last) or answer_start(row.messages) != len(prompt):
            return Columns({"messages": as_messages(row.messages), **tools}, None)
        return Columns({"messages": as_messages(prompt), **tools}, last.content)
    prompt = as_messages(row.messages)
    if isinstance(row, PairRow):
        both = {"chosen": _answer(row.chosen), "rejected": _answer(row.rejected)}
        return Columns({"messages": prompt, **both, **tools}, None)
    said = {"completion": _answer(row.completion), "label": row.label}
    return Columns({"messages": prompt, **said, **tools}, None)


def _is_text(turn: Turn) -> bool:
    return turn.role == "assistant" and not turn.calls and not turn.name


def _answer(turns: Turns) -> Json:
    """A plain answer as a text; any other, and one that looks like JSON, as messages."""
    text = turns[0].content
    plain = len(turns) == 1 and _is_text(turns[0]) and text.lstrip()[:1] not in ("[", "{")
    return text if plain else as_messages(turns)


def row_key(row: Row) -> str:
    """One text for equal rows."""
    found: Any = as_trl(row)
    return canonical_json(found)
