"""Two columns of lines hold both texts whole, beside each other where they agree."""

from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.diff import Piece, word_diff
from prompts.side_by_side import Line, rows


def text(lines: list[Line | None]) -> str:
    return "\n".join("".join(p.text for p in line) for line in lines if line is not None)


def test_a_changed_word_stands_beside_the_old_one():
    found = rows(word_diff("Head\nWrite a short text.\nEnd", "Head\nWrite a long text.\nEnd"))
    assert [row.same for row in found] == [True, False, True]
    assert found[1].before == (
        Piece("same", "Write a "), Piece("removed", "short"), Piece("same", " text."),
    )  # fmt: skip
    assert found[1].after is not None
    assert found[1].after[1] == Piece("added", "long")


def test_an_added_line_stands_beside_nothing():
    found = rows(word_diff("a\nc\n", "a\nb\nc\n"))
    assert [(row.before, row.after is not None) for row in found][1] == (None, True)
    assert len(found) == 3


def test_a_line_that_was_cut_stands_beside_its_beginning():
    found = rows(word_diff("Write short.\nEnd", "Write long.\nmore.\nEnd"))
    assert [row.before is None for row in found] == [False, True, False]


def test_chinese_goes_by_character():
    (row,) = rows(word_diff("请写一篇短文", "请写一篇长文"))
    assert row.before == (Piece("same", "请写一篇"), Piece("removed", "短"), Piece("same", "文"))


def test_a_message_that_is_new_has_no_left_side():
    assert [row.before for row in rows((Piece("added", "a\nb"),))] == [None, None]


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab 中\n.", max_size=40), st.text(alphabet="ab 中\n.", max_size=40))
def test_both_texts_are_whole(before: str, after: str):
    found = rows(word_diff(before, after))
    assert text([row.before for row in found]) == before.removesuffix("\n")
    assert text([row.after for row in found]) == after.removesuffix("\n")
    changes = {p.change for row in found for p in (row.before or ())}
    assert "added" not in changes
