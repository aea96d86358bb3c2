"""A conversation as a model reads it, in pieces of which some are learned. Pure.

The trainer and the pages cut rows by these same lines, each with its own renderer.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Messages = Sequence[dict[str, Any]]
Render = Callable[[Messages, bool], str]
"""The text of messages; with True, up to where the next answer begins."""


class Piece(NamedTuple):
    """A part of the text, learned or only read."""

    text: str
    learned: bool


def cut(render: Render, messages: Messages) -> list[Piece]:
    """Every answer of an assistant is learned, the rest read; the pieces join to the whole."""
    whole = render(messages, False)
    pieces: list[Piece] = []
    place = 0
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = render(messages[:index], True) if index else ""
        said = render(messages[: index + 1], False)
        start, end = len(asked), len(said)
        if start < place or not whole.startswith(asked) or not whole.startswith(said):
            # A template that writes earlier turns differently once others follow: only the last
            # answer stands as it will be asked for.
            return _last(render, messages, whole)
        pieces += [Piece(whole[place:start], False), Piece(whole[start:end], True)]
        place = end
    return [*pieces, Piece(whole[place:], False)]


def cut_answer(render: Render, prompt: Messages, answer: Messages) -> list[Piece]:
    """The answer to a prompt is learned, as TRL has it of preferences and thumbs."""
    return _from(render(prompt, True), render([*prompt, *answer], False))


def _last(render: Render, messages: Messages, whole: str) -> list[Piece]:
    index = max(i for i, message in enumerate(messages) if message["role"] == "assistant")
    return _from(render(messages[:index], True) if index else "", whole)


def _from(asked: str, whole: str) -> list[Piece]:
    """Learned is what follows the part that both share."""
    shared = 0
    for one, other in zip(asked, whole, strict=False):
        if one != other:
            break
        shared += 1
    return [Piece(whole[:shared], False), Piece(whole[shared:], True)]
