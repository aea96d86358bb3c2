"""A row out of the columns of a case: every format that is told by its columns. Pure.

Alpaca (instruction, input, output, history, system), ShareGPT (conversations, tools, system),
OpenAI's messages, prompt with completion, prompt with chosen and rejected, KTO (label, kto_tag) and
our own columns (`rows.as_columns`).
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from core.canonical import Json
from tuning.data.rows import PairRow, Row, SftRow, ThumbRow, Turn, Turns, answer_start
from tuning.data.turns import (
    Unreadable,
    are_messages,
    read_answer,
    read_tools,
    read_turns,
    unpacked,
)
from tuning.methods import RowKind

_TALKS = ("messages", "conversations", "conversation")
_ASKED = ("prompt", "instruction", "question")
_SAID = ("completion", "response", "output", "answer")
_THUMBS = ("label", "kto_tag")
_YES = {"true": True, "1": True, "good": True, "up": True}
_NO = {"false": False, "0": False, "bad": False, "down": False}


class Unread(NamedTuple):
    """Why a case is no row: a clause without a full stop."""

    reason: str


def kind_of(columns: Collection[str]) -> RowKind | None:
    """The kind of rows that a data set with these columns holds; None: no training rows."""
    if {"chosen", "rejected"} <= set(columns) or {"chosen_messages", "rejected_messages"} <= set(
        columns
    ):
        return "dpo"
    asked = any(name in columns for name in (*_TALKS, "prompt", "instruction"))
    if asked and any(name in columns for name in _THUMBS):
        return "kto"
    talk = any(name in columns for name in _TALKS)
    both = "instruction" in columns or ("prompt" in columns and any(n in columns for n in _SAID))
    return "sft" if talk or both else None


def read_row(inputs: Mapping[str, Json], expected: str | None = None) -> Row | Unread:
    """The row of a case, or why it is none."""
    given = {name: value for name, value in inputs.items() if value is not None}
    try:
        kind = kind_of(given)
        if kind == "dpo":
            row: Row = _pair(given)
        elif kind == "kto":
            row = _thumb(given, expected)
        elif kind == "sft" or (expected is not None and any(name in given for name in _ASKED)):
            row = _conversation(given, expected)
        else:
            return Unread(_no_columns(given))
        return _wrong(row) or row
    except Unreadable as error:
        return Unread(str(error))


def _no_columns(given: Mapping[str, Json]) -> str:
    names = ", ".join(given)[:120] or "nothing"
    return (
        f"its columns ({names}) are none of a training row: messages, conversations, instruction "
        "with output, prompt with completion, chosen with rejected, or label"
    )


def _conversation(given: Mapping[str, Json], expected: str | None) -> SftRow:
    prompt = _prompt(given)
    talk = any(name in given for name in _TALKS)
    said = None if talk else next((given[name] for name in _SAID if name in given), None)
    if talk and expected is not None:
        prompt = prompt[: answer_start(prompt)]  # what is expected takes the place of what was said
    turns = prompt + _answer(given, said, expected, "the answer")
    if not turns or turns[-1].role != "assistant":
        last = turns[-1].role if turns else "nothing"
        raise Unreadable(f"it ends with {last} and has no answer to learn")
    return SftRow(turns, read_tools(given.get("tools")))


def _answer(given: Mapping[str, Json], value: Json, expected: str | None, what: str) -> Turns:
    """Of a column, else of what the case expects, which is always a text; so is Alpaca's."""
    if isinstance(value, str) and "instruction" in given:
        return (Turn("assistant", value),)
    if value is not None:
        return read_answer(value, what)
    return () if expected is None else (Turn("assistant", expected),)


def _pair(given: Mapping[str, Json]) -> PairRow:
    tools = read_tools(given.get("tools"))
    if "chosen_messages" in given:
        chosen = read_turns(given["chosen_messages"], "chosen_messages")
        rejected = read_turns(given["rejected_messages"], "rejected_messages")
        return _parted((), chosen, rejected, tools)
    prompt = _prompt(given) if any(name in given for name in (*_TALKS, *_ASKED)) else ()
    chosen = _answer(given, given["chosen"], None, "chosen")
    rejected = _answer(given, given["rejected"], None, "rejected")
    return _parted(prompt, chosen, rejected, tools)


def _parted(prompt: Turns, chosen: Turns, rejected: Turns, tools: str) -> PairRow:
    """Answers may hold the whole conversation: what both begin with is the prompt."""
    if chosen and chosen[0].role != "assistant":
        ends = answer_start(chosen)
        if chosen[:ends] != rejected[:ends]:
            raise Unreadable("chosen and rejected do not answer the same prompt")
        if prompt and prompt != chosen[:ends]:
            raise Unreadable("chosen begins with another conversation than the prompt")
        prompt, chosen, rejected = chosen[:ends], chosen[ends:], rejected[ends:]
    return PairRow(prompt, chosen, rejected, tools)


def _thumb(given: Mapping[str, Json], expected: str | None) -> ThumbRow:
    label = _yes_or_no(next(given[name] for name in _THUMBS if name in given))
    prompt, tools = _prompt(given), read_tools(given.get("tools"))
    completion = next((given[name] for name in _SAID if name in given), None)
    ends = answer_start(prompt)
    if completion is not None or ends == len(prompt):
        said = _answer(given, completion, expected, "the completion")
        return ThumbRow(prompt, said, label, tools)
    return ThumbRow(prompt[:ends], prompt[ends:], label, tools)


def _yes_or_no(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    found = _YES.get(word, _NO.get(word))
    if found is None:
        raise Unreadable(f"its label {str(value)[:40]!r} is neither true nor false")
    return found


def _prompt(given: Mapping[str, Json]) -> Turns:
    """The turns before what is learned, with the system prompt of a column of its own."""
    talk = next((name for name in _TALKS if name in given), None)
    if talk is not None:
        turns = read_turns(given[talk], talk)
    elif (listed := _listed_prompt(given)) is not None:
        turns = read_turns(listed, "prompt")
    else:
        turns = (*_history(given.get("history")), Turn("user", _asked_text(given)))
    system = given.get("system")
    if isinstance(system, str) and system.strip() and turns[0].role != "system":
        turns = (Turn("system", system), *turns)
    return turns


def _listed_prompt(given: Mapping[str, Json]) -> Json:
    """A prompt that is messages, or a text of them; None where it is a question."""
    found = unpacked(given.get("prompt"))
    return found if isinstance(found, list) and are_messages(found) else None


def _asked_text(given: Mapping[str, Json]) -> str:
    """Alpaca's instruction and input, a line each."""
    found = next((given[name] for name in _ASKED if name in given), None)
    asked = found if isinstance(found, str) else ""
    more = given.get("input") if "instruction" in given else None
    if not isinstance(more, str) or not more.strip():
        return asked
    return f"{asked}\n{more}" if asked.strip() else more


def _history(value: Json) -> Turns:
    """Alpaca's earlier rounds, [question, answer] each."""
    found = unpacked(value)
    if found in (None, "", []):
        return ()
    if isinstance(found, str) or not isinstance(found, list):
        raise Unreadable("history is no list of [question, answer]")
    turns: list[Turn] = []
    for one in found:
        if not isinstance(one, list) or len(one) != 2:
            raise Unreadable("history holds something else than [question, answer]")
        for role, text in zip(("user", "assistant"), one, strict=True):
            if not isinstance(text, str):
                raise Unreadable("history holds a question or answer that is no text")
            turns.append(Turn("user" if role == "user" else "assistant", text))
    return tuple(turns)


def _wrong(row: Row) -> Unread | None:
    """What no chat template takes, or nothing can be learned from."""
    prompt = row.messages
    talk = [turn for turn in prompt if turn.role != "system"]
    if not talk or talk[0].role != "user":
        return Unread("it has no question: the first turn must be the user's")
    if isinstance(row, SftRow):
        return None
    if prompt[-1].role == "assistant":
        return Unread("its prompt ends with the assistant, so there is nothing to answer")
    answers = (row.chosen, row.rejected) if isinstance(row, PairRow) else (row.completion,)
    for answer in answers:
        if not answer or answer[-1].role != "assistant" or answer[0].role != "assistant":
            return Unread("it has no answer of the assistant")
    return None
