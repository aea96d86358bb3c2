"""Texts of tokens as they come: what is told is never taken back, and ends where it should."""

import pytest

from tuning.trainer.serve_text import Text
from tuning.trainer.serve_wire import Piece

END = 0
WORDS = {1: b"a", 2: b"b", 3: b"ab", 4: "é".encode()[:1], 5: "é".encode()[1:], 6: b" c", 7: b"\n"}


def decode(ids: list[int]) -> str:
    """Bytes, with a space at the very beginning left out, as some decoders do."""
    text = b"".join(WORDS[one] for one in ids).decode("utf-8", "replace")
    return text.removeprefix(" ")


def told(ids: list[int], *stops: str) -> tuple[list[Piece], bool]:
    """Pieces of an answer, and whether it ended by itself."""
    pieces: list[Piece] = []
    text = Text(decode, stops, pieces.append)
    ended = any(text.add(one, last=one == END) for one in ids)
    text.flush()
    return pieces, ended


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("ids", "stops", "text", "ended"),
    [
        ([1, 2, END], (), "ab", True),
        ([1, 2], (), "ab", False),
        ([6, 6, 7, 6, END], (), "c c\n c", True),
        ([4, 5, END], (), "é", True),
        ([1, 4], (), "a\ufffd", False),
        ([1, 1, 2, 6], ("b c",), "aa", True),
        ([1, 1, 2, 1], ("b c",), "aaba", False),
        ([1, 1, 2, END], ("b c",), "aab", True),
        ([3, 6], ("b", "a"), "", True),
        ([1, 6, 6, 6], (" c c c", "c c"), "a ", True),
        ([END], (), "", True),
        ([], (), "", False),
    ],
)
def test_what_is_told(ids: list[int], stops: tuple[str, ...], text: str, ended: bool) -> None:
    pieces, found = told(ids, *stops)
    assert (joined(pieces), found) == (text, ended)
    seen = [one for piece in pieces for one in piece.ids]
    assert seen == ids[: len(seen)]
    assert seen or not ids, "every token is told, also of no text"


def test_it_is_told_as_soon_as_it_is_sure() -> None:
    pieces: list[Piece] = []
    text = Text(decode, ("bb",), pieces.append)
    for one, expected in ((1, ""), (2, "a"), (1, "ab"), (4, "ab"), (5, "aba"), (2, "abaé")):
        assert not text.add(one, last=False)
        assert joined(pieces) == expected
    assert text.add(2, last=False)
    assert joined(pieces) == "abaé"
