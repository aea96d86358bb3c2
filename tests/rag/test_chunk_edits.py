"""Edits of chunks: what people changed stands again after the document was parsed anew."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from rag.chunk_edits import (
    Edit,
    EditedPiece,
    apply_edits,
    disable,
    edit_text,
    merge,
    original_hash,
    restore,
    split_at,
)
from rag.chunk_settings import Recursive
from rag.chunking import Piece, chunk

TEXT = " ".join(f"Sentence {n} of this text says one thing and then another." for n in range(60))
SETTINGS = Recursive(chunk_tokens=64, overlap=16)
PIECES = chunk(TEXT, (0, 800), SETTINGS)


def _texts(pieces: list[EditedPiece]) -> list[str]:
    return [each.piece.text for each in pieces if not each.disabled]


def _after(*edits: Edit) -> list[EditedPiece]:
    applied = apply_edits(chunk(TEXT, (0, 800), SETTINGS), edits)
    assert not applied.lost
    return applied.pieces


def test_without_edits_nothing_changes() -> None:
    assert [each.piece for each in _after()] == PIECES
    assert not any(each.edited or each.disabled for each in _after())


def test_an_edited_text_keeps_its_place() -> None:
    pieces = _after(edit_text(_after(), 2, "Corrected."))
    assert pieces[2].piece.text == "Corrected."
    assert (pieces[2].piece.start, pieces[2].piece.end) == (PIECES[2].start, PIECES[2].end)
    assert pieces[2].piece.page == PIECES[2].page
    assert pieces[2].edited
    assert pieces[2].originals == (original_hash(PIECES[2].text),)
    assert [each.piece for each in pieces[3:]] == PIECES[3:]


def test_a_split_chunk_has_exact_offsets() -> None:
    cut = PIECES[1].text.index("Sentence", 10)
    pieces = _after(split_at(_after(), 1, cut))
    assert len(pieces) == len(PIECES) + 1
    for half in pieces[1:3]:
        assert half.piece.text == TEXT[half.piece.start : half.piece.end]
    assert pieces[2].piece.start == PIECES[1].start + cut


def test_a_half_can_be_edited_split_and_disabled() -> None:
    split = split_at(_after(), 1, 60)
    changed = edit_text(_after(split), 2, "The second half.")
    assert _texts(_after(split, changed))[2] == "The second half."
    again = split_at(_after(split, changed), 2, 4)
    assert _texts(_after(split, changed, again))[2:4] == ["The", "second half."]
    without = disable(_after(split, changed, again), 1)
    assert _texts(_after(split, changed, again, without))[1:3] == ["The", "second half."]


def test_merged_chunks_say_once_what_both_repeat() -> None:
    pieces = _after(merge(_after(), 1))
    assert len(pieces) == len(PIECES) - 1
    assert PIECES[2].start < PIECES[1].end
    assert pieces[1].piece.text == TEXT[PIECES[1].start : PIECES[2].end]
    assert (pieces[1].piece.start, pieces[1].piece.end) == (PIECES[1].start, PIECES[2].end)
    assert len(pieces[1].originals) == 2


def test_merging_merged_and_split_chunks() -> None:
    first = merge(_after(), 1)
    second = merge(_after(first), 0)
    assert _texts(_after(first, second))[0] == TEXT[: PIECES[2].end]
    halves = split_at(_after(), 0, 60)
    back = merge(_after(halves), 0)
    assert _texts(_after(halves, back))[0].split() == PIECES[0].text.split()
    across = merge(_after(halves), 1)
    assert len(_after(halves, across)[0].originals) == 2


def test_chunks_without_overlap_merge_with_a_break() -> None:
    pieces = apply_edits(chunk("One one.\n\nTwo two.", (), Recursive()), []).pieces
    assert len(pieces) == 1
    apart = [
        EditedPiece(piece, (piece,), edited=False)
        for piece in (
            Piece(0, 3, "One", None, (), None),
            Piece(5, 8, "Two", None, (), None),
            Piece(8, 12, "Four", None, (), None),
        )
    ]
    assert merge(apart, 0).texts == ("One\n\nTwo",)
    assert merge(apart, 1).texts == ("TwoFour",)


def test_a_disabled_chunk_is_shown_and_restored() -> None:
    gone = disable(_after(), 3)
    pieces = _after(gone)
    assert gone.texts == ()
    assert pieces[3].disabled
    assert pieces[3].piece == PIECES[3]
    back = restore(pieces, 3)
    assert [each.piece for each in _after(gone, back)] == PIECES
    assert not any(each.edited for each in _after(gone, back))


def test_restoring_a_merged_chunk_brings_both_back() -> None:
    merged = merge(_after(), 1)
    assert _after(merged, restore(_after(merged), 1)) == _after()


def test_the_newest_of_overlapping_edits_stands() -> None:
    old, new = edit_text(_after(), 1, "Old."), merge(_after(), 1)
    assert "Old." not in _texts(_after(old, new))
    assert "Old." in _texts(_after(new, old))
    assert _texts(_after(new, old))[2] == PIECES[2].text


def test_edits_survive_a_change_elsewhere_and_are_lost_with_their_chunk() -> None:
    early, late = edit_text(_after(), 0, "Early."), edit_text(_after(), len(PIECES) - 1, "Late.")
    longer = chunk(TEXT + " More. " * 80, (), SETTINGS)
    applied = apply_edits(longer, [early, late])
    assert applied.pieces[0].piece.text == "Early."
    assert applied.lost == [late]
    assert apply_edits(chunk(TEXT, (), Recursive(chunk_tokens=40)), [early, late]).lost == [
        early,
        late,
    ]


def test_equal_chunks_are_corrected_alike() -> None:
    twin = Piece(0, 4, "Same", None, (), None)
    pieces = [twin, Piece(5, 8, "Not", None, (), None), Piece(9, 13, "Same", None, (), None)]
    edit = edit_text(apply_edits(pieces, []).pieces, 0, "Changed")
    applied = apply_edits(pieces, [edit])
    assert _texts(applied.pieces) == ["Changed", "Not", "Changed"]
    assert applied.pieces[2].piece.start == 9


@pytest.mark.parametrize(
    "action",
    [
        lambda pieces: edit_text(pieces, 0, " \n"),
        lambda pieces: split_at(pieces, 0, 0),
        lambda pieces: split_at(pieces, 0, -3),
        lambda pieces: split_at(pieces, 0, 10_000),
        lambda pieces: merge(pieces, len(pieces) - 1),
        lambda pieces: edit_text(_after(disable(pieces, 0)), 0, "x"),
        lambda pieces: merge(_after(disable(pieces, 1)), 0),
    ],
)
def test_what_makes_no_chunk_is_refused(action: object) -> None:
    with pytest.raises(Invalid, match=r"\. [A-Z]"):
        action(_after())  # type: ignore[operator]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20), st.integers(1, 200)), max_size=8))
def test_any_actions_applied_again_give_the_same(actions: list[tuple[int, int, int]]) -> None:
    edits: list[Edit] = []
    for kind, position, offset in actions:
        pieces = _after(*edits)
        at = position % len(pieces)
        try:
            edits.append(
                [
                    lambda p=pieces, i=at: edit_text(p, i, f"Text {i}"),
                    lambda p=pieces, i=at, o=offset: split_at(p, i, o),
                    lambda p=pieces, i=at: merge(p, i),
                    lambda p=pieces, i=at: disable(p, i),
                    lambda p=pieces, i=at: restore(p, i),
                ][kind]()
            )
        except Invalid:
            continue
    pieces = _after(*edits)
    assert pieces == _after(*edits)
    sources = [
        source
        for one, two in pairwise([None, *pieces])
        if two and (one is None or one.sources != two.sources)
        for source in two.sources
    ]
    assert sources == PIECES
