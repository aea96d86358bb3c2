"""Texts of a row, for whatever looks at text alone. Pure."""

from collections.abc import Callable
from dataclasses import replace

from tuning.data.rows import PairRow, Row, SftRow, Turn, Turns, answers_of, prompt_of


def text_of(turns: Turns) -> str:
    """What is said in them, tool calls as they stand."""
    return "\n".join(f"{turn.content}{turn.calls}" for turn in turns)


def whole_text(row: Row) -> str:
    """All of a row: prompt and answers."""
    return "\n".join([text_of(prompt_of(row)), *(text_of(answer) for answer in answers_of(row))])


def asked_text(row: Row) -> str:
    """What the user says in all turns before the last answer."""
    return "\n".join(turn.content for turn in prompt_of(row) if turn.role == "user")


def with_texts(row: Row, change: Callable[[str], str]) -> Row:
    """The row with every content changed; the same object where nothing did."""

    def changed(turns: Turns) -> Turns:
        return tuple(Turn(t.role, change(t.content), t.calls, t.name) for t in turns)

    if isinstance(row, SftRow):
        made: Row = replace(row, messages=changed(row.messages))
    elif isinstance(row, PairRow):
        made = replace(
            row,
            messages=changed(row.messages),
            chosen=changed(row.chosen),
            rejected=changed(row.rejected),
        )
    else:
        made = replace(row, messages=changed(row.messages), completion=changed(row.completion))
    return row if made == row else made
