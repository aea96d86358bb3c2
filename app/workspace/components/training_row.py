"""One training row as the model will see it: every turn with its role, what is learned marked."""

from collections.abc import Iterator

import streamlit as st

from app.workspace.components import output
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from tuning.data.rows import PairRow, Row, SftRow, ThumbRow, Turn, Turns, as_message, prompt_of
from tuning.data.seen import Face, seen

_STYLES = {"asked": "asked", "rejected": "avoided", "thumb_down": "avoided"}


def draw_as_read(row: Row, face: Face, key: str) -> None:
    """The text that a model reads, its own marks with it; raises Invalid when it cannot."""
    for part in seen(face, row):
        if part.name != "messages":
            st.caption(plain(_word(row, part.name)))
        style = "avoided" if _word(row, part.name) in _avoided() else "learned"
        pieces = [(style if one.learned else "asked", one.text) for one in part.pieces if one.text]
        output.marked(pieces, key=f"{key}_{part.name}_read", label=raw("training.row"))


def _word(row: Row, part: str) -> str:
    if isinstance(row, ThumbRow):
        return raw("training.thumb_up" if row.label else "training.thumb_down")
    return raw(f"training.{part}") if part != "messages" else ""


def _avoided() -> tuple[str, str]:
    return raw("training.rejected"), raw("training.thumb_down")


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
