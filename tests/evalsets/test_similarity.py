"""Nearness in meaning by the packaged model."""

import pytest

from core.errors import Invalid
from evalsets.evaluators import similarity
from evalsets.evaluators.check_rules import RULES
from evalsets.evaluators.checks import Check
from evalsets.evaluators.similarity import Similarity
from evalsets.evaluators.specs import parse_evaluator
from evalsets.evaluators.subjects import Score, Subject


def near(output: str, expected: str | None, **settings: object) -> Score:
    return Similarity(**settings).score(Subject(output, expected=expected))  # type: ignore[arg-type]


def test_meaning_and_not_words() -> None:
    wanted = "The shop opens at nine in the morning."
    same, other = near("We open at 9 am.", wanted), near("Cats sleep a lot.", wanted)
    assert same.value is not None
    assert other.value is not None
    assert same.value > 0.6 > 0.3 > other.value
    assert same.reason == f"cosine {same.value:.3f} by minilm"
    assert near(wanted, wanted, threshold=0.99).value == 1
    assert near("Cats sleep a lot.", wanted, threshold=0.5).value == 0


def test_what_cannot_be_told_is_unscored() -> None:
    assert near("x", None).value is None
    assert near("", "x").value == 0
    chinese = near("今天天气很好", "今天天气不好")
    assert chinese.value is None
    assert "multilingual" in chinese.reason
    with pytest.raises(Invalid, match="no embedder"):
        parse_evaluator("similarity:embedder=nothing-here")


def test_an_embedder_is_shared() -> None:
    near("one", "two")
    assert list(similarity._open) == ["minilm"]
    kept = similarity._open["minilm"]
    assert kept.users == 0
    near("three", "two")
    assert similarity._open["minilm"] is kept


def test_checks_of_promptfoo_that_compare() -> None:
    check = Check(type="similar", value=["Cats sleep.", "We open at nine."], threshold=0.4)
    assert check.outcome(Subject("The shop opens at 9 am.")).holds is True
    assert Check(type="not-similar", value="Cats sleep.").outcome(Subject("We open.")).holds is True
    assert (
        Check(type="rouge-n", value="a b c", threshold=0.5).outcome(Subject("a b x")).holds is True
    )
    assert Check(type="bleu", value="a b c d").outcome(Subject("w x y z")).holds is False
    for wrong in ({"value": ""}, {"value": "x", "threshold": 7}):
        with pytest.raises(ValueError, match="similar"):
            Check.model_validate({"type": "similar", **wrong})
    assert "similar" not in RULES
