"""One training row as the model will see it: every turn with its role, what is learned marked."""

from collections.abc import Iterator

import streamlit as st

from app.workspace.components import output
from app.workspace.strings import raw, t
from tuning.data.rows import PairRow, Row, SftRow, Turn, Turns, as_message, prompt_of

_STYLES = {"asked": "asked", "rejected": "avoided", "thumb_down": "avoided"}


def draw(row: Row, key: str) -> None:
    """Grey is read, the rest is learned; both are said in words."""
    if row.tools:
        st.caption(t("training.tools"))
        st.code(row.tools, language=None, wrap_lines=True)
    if isinstance(row, SftRow):
        _text(key, [part for turn in row.messages for part in _turn(turn, _sft_word(turn))])
        return
    _text(key, [part for turn in prompt_of(row) for part in _turn(turn, "asked")])
    if isinstance(row, PairRow):
        for word, answer in (("chosen", row.chosen), ("rejected", row.rejected)):
            _answer(f"{key}_{word}", word, answer)
    else:
        _answer(f"{key}_thumb", "thumb_up" if row.label else "thumb_down", row.completion)


def _sft_word(turn: Turn) -> str:
    return "learned" if turn.role == "assistant" else "asked"


def _answer(key: str, word: str, turns: Turns) -> None:
    _text(key, [part for turn in turns for part in _turn(turn, word)])


def _turn(turn: Turn, word: str) -> Iterator[tuple[str, str]]:
    role = raw(f"training.role_{turn.role}")
    told = role if word == "asked" else f"{role} · {raw(f'training.{word}')}"
    yield "role", f"{told}\n"
    style = _STYLES.get(word, "learned")
    calls = str(as_message(turn).get("tool_calls") or "")
    yield style, f"{turn.content}{calls}\n\n"


def _text(key: str, parts: list[tuple[str, str]]) -> None:
    *earlier, (style, last) = parts
    output.marked([*earlier, (style, last.rstrip("\n"))], key=key, label=raw("training.row"))
