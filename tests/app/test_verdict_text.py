"""What `promptstone verdict` says beside its figures."""

from dataclasses import replace

import pytest

from app.cli.verdict_text import notes, word
from evalsets.statistics.cells import CellCounts
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.words import Word
from evalsets.verdicts.looks import PlanState
from evalsets.verdicts.service import RunVerdict

ONE = Comparison(
    "mcnemar_exact", 10, 10, -0.5, None, 0.06, None, candidate="b", baseline="a",
    verdict=Word.TOO_FEW, labels_needed=232, candidate_counts=CellCounts(unlabeled=3),
)  # fmt: skip
FOUND = RunVerdict("R", "label", "a", 0.1, (), (ONE,), "hash", 1)
PLAN = PlanState("q", 0, 0.1, 10, 1, 4, False, frozenset())


def test_labels_needed_are_rounded_up_to_two_digits() -> None:
    assert word(ONE, "label") == "too few labels (about 240 more decide)"


def test_when_all_is_labeled_only_cases_help() -> None:
    done = replace(ONE, candidate_counts=CellCounts())
    assert "add cases" in word(done, "label")
    assert "240 more" in word(done, "preference")


@pytest.mark.parametrize("said", [Word.CANDIDATE, Word.BASELINE, Word.NO_DIFFERENCE])
def test_other_words_stand_alone(said: Word) -> None:
    assert word(replace(ONE, verdict=said), "label") == said.value


def test_nothing_is_said_without_need() -> None:
    assert list(notes(FOUND)) == []


@pytest.mark.parametrize(
    ("found", "part"),
    [
        (replace(FOUND, looks=3), "read 3 times; p holds for one look"),
        (replace(FOUND, plan=PLAN), "Interim: the plan still waits for 4 labels"),
        (replace(FOUND, picked_by_hand=True), "picked by hand"),
        (replace(FOUND, alpha_agreement=0.5), "agree little"),
        (replace(FOUND, comparisons=(replace(ONE, verdict=Word.NO_DIFFERENCE),)), 'not "equal"'),
        (
            replace(FOUND, comparisons=(replace(ONE, verdict_failed_as_bad=Word.BASELINE),)),
            'the word would be "baseline better"',
        ),
    ],
)
def test_what_a_reader_must_know(found: RunVerdict, part: str) -> None:
    (note,) = notes(found)
    assert part in note
