"""ROUGE, BLEU and chrF on figures that rouge-score 0.1.2 and sacrebleu 2.6 print."""

import time

import pytest
import sacrebleu

from evalsets.evaluators.kinds import Scorer
from evalsets.evaluators.overlap import MAX_CHARACTERS, Bleu, Chrf, Rouge
from evalsets.evaluators.rouge import MAX_TOKENS, Variant, rouge
from evalsets.evaluators.subjects import Score, Subject

WANTED = "The quick brown fox jumps over the lazy dog.\nIt was not amused, said the dog."
OUTPUT = "A quick brown dog jumps over the lazy fox; a fox.\nThe dog was amused; it said so."


def score(evaluator: Scorer, output: str, expected: str | None = None) -> Score:
    return evaluator.score(Subject(output, expected=expected))


@pytest.mark.parametrize(
    ("variant", "precision", "recall", "f1"),
    [
        ("rouge1", 0.7777777778, 0.8750000000, 0.8235294118),
        ("rouge2", 0.2941176471, 0.3333333333, 0.3125000000),
        ("rougeL", 0.5555555556, 0.6250000000, 0.5882352941),
        ("rougeLsum", 0.6111111111, 0.6875000000, 0.6470588235),
    ],
)  # fmt: skip
def test_rouge_is_that_of_rouge_score(
    variant: Variant, precision: float, recall: float, f1: float
) -> None:
    assert rouge(variant, OUTPUT, WANTED) == pytest.approx((precision, recall, f1), abs=1e-9)


def test_chinese_is_compared_by_characters() -> None:
    assert rouge("rouge1", "今天天气很好", "今天天气不好").f1 == pytest.approx(5 / 6)
    assert rouge("rougeL", "我爱 Python 3", "我爱python3").recall == pytest.approx(2 / 3)
    assert rouge("rouge1", "สวัสดี", "สวัสดี").f1 == 1
    assert rouge("rouge1", "नमस्ते दुनिया", "नमस्ते भारत").f1 == 0.5


def test_nothing_in_common_and_nothing_at_all() -> None:
    assert rouge("rouge2", "a", "a") == rouge("rougeL", "", "a b") == (0, 0, 0)
    assert score(Rouge(), "", "a b").value == 0
    for evaluator in (Rouge(), Bleu(), Chrf()):
        assert score(evaluator, "x").value is None
        assert score(evaluator, "x", " ").value is None


def test_a_threshold_makes_one_or_zero_with_a_reason_in_words() -> None:
    found = score(Rouge(variant="rouge1", threshold=0.8), "今天天气很好", "今天天气不好")
    assert found.value == 1
    assert found.reason == "rouge1: precision 0.833, recall 0.833, F1 0.833, at least 0.8"
    assert score(Rouge(threshold=0.9, measure="recall"), "a b", "a b c").value == 0
    assert score(Rouge(measure="precision"), "a b", "a b c").value == 1


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    theirs = sacrebleu.sentence_bleu(OUTPUT, [WANTED]).score / 100
    assert score(Bleu(), OUTPUT, WANTED).value == pytest.approx(theirs)
    assert theirs == pytest.approx(0.1616921, abs=1e-6)
    assert score(Chrf(), OUTPUT, WANTED).value == pytest.approx(0.5424456, abs=1e-6)
    assert score(Chrf(words=2), OUTPUT, WANTED).value == pytest.approx(
        sacrebleu.sentence_chrf(OUTPUT, [WANTED], word_order=2).score / 100
    )


def test_equal_texts_are_exactly_one() -> None:
    text = '{"x": [1,2], "名": "值"}'
    assert sacrebleu.sentence_bleu(text, [text], tokenize="zh").score > 100
    assert score(Bleu(), text, text).value == score(Bleu(threshold=1), text, text).value == 1


def test_bleu_takes_chinese_apart() -> None:
    found = score(Bleu(), "今天的天气真的很好。", "今天的天气真的不好。")
    assert "zh" in found.reason
    assert found.value is not None
    assert 0.4 < found.value < 0.8
    # What the words of European scripts would make of it: one word that differs.
    assert score(Bleu(tokenizer="13a"), "今天的天气真的很好", "今天的天气真的不好").value == 0
    assert "char" in score(Bleu(), "これはペンです", "それはペンです").reason


def test_long_texts_end_soon() -> None:
    began = time.monotonic()
    words = "a b c d " * (MAX_TOKENS // 4)
    assert score(Rouge(), words, words).value == 1
    assert score(Rouge(variant="rougeLsum"), "a\n" * 300, "a\n" * 300).value is None
    assert score(Rouge(), words + "e", words).value is None
    assert score(Bleu(), "x" * (MAX_CHARACTERS + 1), "x").value is None
    assert score(Chrf(), "x " * 40_000, "x " * 40_000).value == 1
    assert time.monotonic() - began < 5
