"""Scripts that a tokenizer reads, from its cuts."""

import pytest

from rag.scripts import SAMPLES, known_scripts, share_known


def test_words_pieces_letters_and_unknowns_are_told_apart() -> None:
    cuts = {name: sample.split() for name, sample in SAMPLES.items()}
    cuts["Han"] = list(SAMPLES["Han"])
    cuts["Greek"] = list(SAMPLES["Greek"].replace(" ", ""))
    cuts["Thai"] = ["[UNK]"]
    cuts["Kana"] = list(SAMPLES["Kana"])
    cuts["Arabic"] = []
    known = known_scripts(list(cuts.values()))
    assert known == {"Latin", "Cyrillic", "Hebrew", "Devanagari", "Han", "Hangul"}


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("hello", 1.0),
        ("Beyoncé 2024!", 1.0),
        ("广东", 0.0),
        ("مرحبا", 0.0),
        ("がんばれ", 0.0),
        ("iPhone的价格吧人", 0.5),
        ("12 + 3", 1.0),
        ("", 1.0),
    ],
)
def test_the_share_counts_letters(text: str, share: float) -> None:
    assert share_known(text, frozenset({"Latin"})) == pytest.approx(share, abs=0.05)
