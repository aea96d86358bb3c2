"""Rows in the formats of other trainers; `reading.read_row` reads every one of them back. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO, Literal

import orjson

from core.canonical import Json
from core.errors import Invalid
from tuning.data.rows import (
    PairRow,
    Row,
    SftRow,
    ThumbRow,
    Turn,
    Turns,
    answers_of,
    as_message,
    as_messages,
    prompt_of,
)

RowFormat = Literal["alpaca", "sharegpt", "messages", "prompt_chosen_rejected", "kto"]
FileForm = Literal["json", "jsonl"]


def as_format(row: Row, form: RowFormat) -> dict[str, Json]:
    """One row as an object of the format; raises Invalid for what the format has no place for."""
    return _WRITERS[form](row)


def write_format(rows: Iterable[Row], form: RowFormat, file: FileForm, out: BinaryIO) -> int:
    """Write rows as JSON Lines or as one JSON list; returns how many."""
    count = 0
    if file == "json":
        out.write(b"[")
    for row in rows:
        line = orjson.dumps(as_format(row, form))
        out.write(line + b"\n" if file == "jsonl" else (b",\n" if count else b"\n") + line)
        count += 1
    if file == "json":
        out.write(b"\n]\n")
    return count


def _alpaca(row: Row) -> dict[str, Json]:
    """Instruction, output, system and history; pairs and thumbs as LLaMA-Factory has them."""
    prompt = list(prompt_of(row))
    found: dict[str, Json] = {}
    if prompt and prompt[0].role == "system":
        found["system"] = prompt.pop(0).content
    *earlier, last = prompt
    answers = [_plain(answer, "alpaca") for answer in answers_of(row)]
    roles = [turn.role for turn in earlier]
    if last.role != "user" or roles != ["user", "assistant"] * (len(earlier) // 2):
        raise Invalid("Alpaca has rounds of question and answer alone. Choose sharegpt.")
    if row.tools or any(turn.calls for turn in prompt):
        raise Invalid("Alpaca has no place for tools. Choose sharegpt or messages.")
    found = {"instruction": last.content, "input": "", **found}
    if earlier:
        found["history"] = [
            [asked.content, said.content]
            for asked, said in zip(earlier[::2], earlier[1::2], strict=True)
        ]
    if isinstance(row, PairRow):
        return {**found, "chosen": answers[0], "rejected": answers[1]}
    found["output"] = answers[0]
    return {**found, "kto_tag": row.label} if isinstance(row, ThumbRow) else found


def _plain(turns: Turns, form: str) -> str:
    if len(turns) != 1 or turns[0].calls:
        raise Invalid(f"{form} has one text for an answer, no tool calls. Choose sharegpt.")
    return turns[0].content


_FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def _sharegpt(row: Row) -> dict[str, Json]:
    tools: dict[str, Json] = {}
    if row.tools:
        bare = [tool["function"] for tool in json.loads(row.tools)]
        tools["tools"] = json.dumps(bare, ensure_ascii=False)
    if isinstance(row, SftRow):
        return {"conversations": _talk(row.messages), **tools}
    if isinstance(row, ThumbRow):
        talk = _talk(row.messages + row.completion)
        return {"conversations": talk, "kto_tag": row.label, **tools}
    return {
        "conversations": _talk(row.messages),
        "chosen": _one(row.chosen),
        "rejected": _one(row.rejected),
        **tools,
    }


def _one(turns: Turns) -> Json:
    found = _talk(turns)
    return found[0] if len(found) == 1 else found


def _talk(turns: Turns) -> list[Json]:
    return [message for turn in turns for message in _shared(turn)]


def _shared(turn: Turn) -> list[Json]:
    """ShareGPT parts what an assistant says from what it calls."""
    found: list[Json] = []
    if turn.content or not turn.calls:
        found.append({"from": _FROM[turn.role], "value": turn.content})
    if turn.calls:
        calls = [call["function"] for call in json.loads(turn.calls)]
        value = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
        found.append({"from": "function_call", "value": value})
    return found


def _messages(row: Row) -> dict[str, Json]:
    """OpenAI's fine-tuning lines; of a pair, TRL's with the whole conversations."""
    tools: Mapping[str, Json] = {"tools": json.loads(row.tools)} if row.tools else {}
    if isinstance(row, SftRow):
        return {"messages": as_messages(row.messages), **tools}
    if isinstance(row, ThumbRow):
        talk = as_messages(row.messages + row.completion)
        return {"messages": talk, "label": row.label, **tools}
    return {
        "chosen": as_messages(row.messages + row.chosen),
        "rejected": as_messages(row.messages + row.rejected),
        **tools,
    }


def _pair(row: Row) -> dict[str, Json]:
    if not isinstance(row, PairRow):
        raise Invalid("prompt_chosen_rejected holds pairs. Export with --as dpo.", param="format")
    found: dict[str, Json] = {
        "prompt": _text_or_messages(row.messages),
        "chosen": _answer(row.chosen),
        "rejected": _answer(row.rejected),
    }
    return {**found, "tools": json.loads(row.tools)} if row.tools else found


def _kto(row: Row) -> dict[str, Json]:
    if not isinstance(row, ThumbRow):
        raise Invalid("kto holds answers with thumbs. Export with --as kto.", param="format")
    found: dict[str, Json] = {
        "prompt": _text_or_messages(row.messages),
        "completion": _answer(row.completion),
        "label": row.label,
    }
    return {**found, "tools": json.loads(row.tools)} if row.tools else found


def _text_or_messages(turns: Turns) -> Json:
    """A question alone as a text, unless it could be taken for messages."""
    alone = len(turns) == 1 and turns[0].role == "user" and not _like_json(turns[0].content)
    return turns[0].content if alone else as_messages(turns)


def _answer(turns: Turns) -> Json:
    alone = len(turns) == 1 and not turns[0].calls and not _like_json(turns[0].content)
    return turns[0].content if alone else [as_message(turn) for turn in turns]


def _like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("[", "{")


_WRITERS: Mapping[RowFormat, Callable[[Row], dict[str, Json]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "prompt_chosen_rejected": _pair,
    "kto": _kto,
}
