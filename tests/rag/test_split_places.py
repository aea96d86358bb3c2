"""Places to cut a chunk: lines first, never a blank half, never too many to choose from."""

from hypothesis import given
from hypothesis import strategies as st

from rag.split_places import MOST, places


def test_lines_come_before_sentences():
    text = "One. Still one.\nTwo.\n\nThree.\n- four"
    assert [text[at:].split("\n")[0] for at in places(text)] == ["Two.", "Three.", "- four"]


def test_sentences_where_lines_are_few():
    text = "First. Second! Third? Fourth."
    assert [text[at:].split()[0] for at in places(text)] == ["Second!", "Third?", "Fourth."]


def test_chinese_sentences_need_no_blank():
    text = "一。二！三？四"
    assert [text[at] for at in places(text)] == ["二", "三", "四"]


def test_one_word_cannot_be_cut():
    assert places("word") == []
    assert places("  \n ") == []


@given(st.text(max_size=400))
def test_no_half_is_blank(text: str):
    for at in places(text):
        assert text[:at].strip()
        assert text[at:].strip()


def test_a_long_text_offers_no_more_than_can_be_read():
    assert 100 < len(places("line\n" * 5000)) <= MOST
