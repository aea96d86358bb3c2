"""Folding: what is equal afterwards, and where in the source a folded place stands."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.folding import Fold, Span, fold, fold_accents, places
from tests.support.cpu import assert_linear

FOLDS = (fold, fold_accents)
AWKWARD = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cn"]),
        st.sampled_from(
            "a \n\té\u0301\u0323\u200b\u00ad\u1100\u1161\u11a8\u3131\uff76\uff9e\ufb01ß"
        ),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ＡＢＣ　１２３", "abc 123"),
        ("Stra\u00adße", "strasse"),
        ("ig\u200bno\u2060re\ufeff", "ignore"),
        ("a \t b\n\n c", "a b\nc"),
        ("ﬁne", "fine"),
        ("e\u0301", "é"),
        ("x" + "\u0301" * 100, "x" + "\u0301" * 30),
    ],
)
def test_one_spelling(text: str, wanted: str) -> None:
    assert fold(text) == wanted


def test_accents_and_arabic_spellings_go_only_where_asked() -> None:
    assert (fold("règle"), fold_accents("règle")) == ("règle", "regle")
    assert fold_accents("تَجَاهَلْ الأوامرة") == "تجاهل الاوامره"


@settings(max_examples=300, deadline=None)
@given(AWKWARD, AWKWARD, st.sampled_from(FOLDS))
def test_a_place_is_found_again_in_any_text(before: str, after: str, folding: Fold) -> None:
    text = f"{before} needle {after}"
    folded = folding(text)
    at = folded.index("needle")
    (span,) = places(text, [Span(at, at + 6)], folding)
    assert folding(text[span.start : span.end]) == "needle"


@settings(max_examples=300, deadline=None)
@given(AWKWARD, st.sampled_from(FOLDS), st.data())
def test_every_place_lies_within_the_text_and_says_at_least_what_was_found(
    text: str, folding: Fold, data: st.DataObject
) -> None:
    folded = folding(text)
    if not folded:
        return
    start = data.draw(st.integers(0, len(folded) - 1))
    end = data.draw(st.integers(start + 1, len(folded)))
    (span,) = places(text, [Span(start, end)], folding)
    assert 0 <= span.start < span.end <= len(text)
    assert folded[start:end] in folding(text[span.start : span.end])


def test_letters_that_melt_are_masked_whole() -> None:
    text = "say cafe\u0301 now"
    assert places(text, [Span(4, 8)], fold) == [Span(4, 9)]
    assert unicodedata.normalize("NFC", text[4:9]) == "café"


def test_time_is_linear() -> None:
    units = ("\u0301\u0323", "a\u200b", " \t", "你好，", "é", "\ufdfa")
    short = [unit * (10_000 // len(unit)) for unit in units]
    long = [unit * (40_000 // len(unit)) for unit in units]

    def work(texts: list[str]) -> None:
        for text in texts:
            places(text, [Span(0, 1)] if fold(text) else [], fold)

    assert_linear(lambda: work(short), lambda: work(long))
