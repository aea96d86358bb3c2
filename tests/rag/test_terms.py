"""Terms in many scripts: what must be found by what."""

import struct

import numpy as np
import pytest

from rag.terms import fold, packed, query_terms, term_hash, terms, unpack


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("running", "Runs"),
        ("Beyoncé", "BEYONCE"),
        ("ＡＢＣ１２３", "abc123"),
        ("straße", "STRASSE"),
        ("ﬁle", "file"),
        ("المدرسة", "مدرسه"),
        ("الْمَدْرَسَةُ", "المدرسة"),
        ("مـــدرسة", "مدرسة"),
        ("أحمد", "احمد"),
        ("مستشفى", "مستشفي"),
        ("والكتاب", "كتاب"),
        ("للمعلمين", "معلم"),
        ("مكتبات", "مكتبة"),
        ("ﻣﺪﺭﺳﺔ", "مدرسة"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("москвы", "Москва"),
        ("Έλληνας", "ελληνας"),
        ("e\u0301te\u0301", "été"),
        ("\u1112\u1161\u11ab", "한"),
    ],
)
def test_spellings_of_one_word_meet(one: str, other: str) -> None:
    assert terms(one)[0] == terms(other)[0]


@pytest.mark.parametrize(
    ("one", "other"), [("か", "が"), ("ハ", "パ"), ("cat", "dog"), ("بنت", "بيت")]
)
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert terms(one) != terms(other)


def test_an_arabic_word_is_kept_whole_beside_its_stem() -> None:
    assert terms("والمدرسة") == ["مدرس", "=والمدرسه"]
    assert terms("الْمَدْرَسَةُ") == terms("المدرسه")
    assert terms("مدرس")[0] == terms("مدرسة")[0]
    assert terms("مدرس")[1] != terms("مدرسة")[1]


def test_scripts_without_spaces_become_pairs_and_single_characters() -> None:
    assert terms("广东省") == ["广东", "东省", "广", "东", "省"]
    assert terms("東京タワー")[:4] == ["東京", "京タ", "タワ", "ワー"]
    assert terms("한국어") == ["한국", "국어", "한", "국", "어"]
    assert terms("火") == ["火"]


def test_mixed_text_is_cut_where_the_script_changes() -> None:
    assert terms("iPhone15的价格") == ["iphone15", "的价", "价格", "的", "价", "格"]
    assert terms("max_tokens=3.5") == ["max", "token", "3", "5"]


def test_vowel_signs_stay_within_a_word() -> None:
    assert terms("हिन्दी भाषा") == ["हिन्दी", "भाषा"]


@pytest.mark.parametrize("text", ["", " \n\t", "…—!?", "\ud800", "😀", "\x00", "\u0301"])
def test_texts_without_words_have_no_terms_or_odd_ones(text: str) -> None:
    assert unpack([packed(text)]).lengths.tolist() == [len(set(terms(text)))]


def test_stop_words_leave_a_query_that_holds_another_word() -> None:
    assert [term.term for term in query_terms("What is the price of a ticket?")] == [
        "price",
        "ticket",
    ]
    assert [term.term for term in query_terms("The Who")] == ["the", "who"]
    assert {term.word for term in query_terms("ما هو المذهب")} == {"المذهب"}


def test_a_repeated_word_is_asked_once_and_named_as_written_first() -> None:
    assert query_terms("Prompts and prompting, prompt") == [("prompt", "prompts")]


def test_folding_ascii_and_the_rest_agree() -> None:
    assert fold("Hello World 1") == fold("Ｈello World 1") == "hello world 1"


def test_packed_terms_count_what_terms_says() -> None:
    texts = ["the cat saw the other cats", "", "广东 广东"]
    found = unpack([packed(text) for text in texts])
    assert found.lengths.tolist() == [4, 0, 3]
    first = dict(zip(found.hashes[:4].tolist(), found.counts[:4].tolist(), strict=True))
    assert first == {term_hash("the"): 2, term_hash("cat"): 2, term_hash("saw"): 1, term_hash("other"): 1}  # fmt: skip
    assert (np.diff(found.hashes[:4].astype(object)) > 0).all()


def test_a_count_ends_at_what_two_bytes_hold() -> None:
    assert unpack([packed("a " * 70_000)]).counts.tolist() == [65_535]


@pytest.mark.parametrize("blob", [b"", b"\x02", b"\x01abc", b"\x00" + bytes(10)])
def test_terms_of_another_version_are_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="another version"):
        unpack([packed("good"), blob])


def test_the_packed_form_is_stable() -> None:
    # It lies in databases: a change here needs a new version byte.
    assert packed("cat") == struct.pack("<BQH", 1, term_hash("cat"), 1)
    assert term_hash("cat") == 0x2F989D7B2CDD2733
