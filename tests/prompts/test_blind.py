"""Blind pairs: every column is met, sides tell nothing, ties go on."""

from collections import Counter

import pytest

from prompts.blind import next_pair, pairs_in_all, wins
from prompts.scene import Blind, Preference, Vote


def played(seed: int, answered: dict[int, list[str]], better: str | None) -> Blind:
    """All votes of a comparison in which `better` always wins, or nobody does."""
    found = Blind(seed=seed)
    while (pair := next_pair(found, answered)) is not None:
        won: Preference = "a" if pair.a == better else "b" if pair.b == better else "tie"
        vote = Vote(a=pair.a, b=pair.b, repeat=pair.repeat, preference=won)
        found = found.model_copy(update={"votes": (*found.votes, vote)})
        assert len(found.votes) < 100
    return found


@pytest.mark.parametrize("columns", [2, 3, 6])
def test_n_columns_take_n_minus_1_votes_a_repeat_and_all_are_met(columns: int) -> None:
    names = [f"c{n}" for n in range(columns)]
    answered = {1: names, 2: names}
    found = played(5, answered, "c1")
    assert len(found.votes) == pairs_in_all(answered) == 2 * (columns - 1)
    met = {name for vote in found.votes for name in (vote.a, vote.b) if vote.repeat == 1}
    assert met == set(names)
    assert set(wins(found)) <= {"c1"}


def test_the_better_one_meets_the_next_and_after_a_tie_the_first() -> None:
    names = ["c1", "c2", "c3"]
    first = next_pair(Blind(seed=1), {1: names})
    assert first is not None
    for preference, stays in (("a", first.a), ("b", first.b)):
        vote = Vote(a=first.a, b=first.b, repeat=1, preference=preference)
        second = next_pair(Blind(seed=1, votes=(vote,)), {1: names})
        assert second is not None
        assert stays in (second.a, second.b)


def test_sides_and_order_are_drawn_so_that_neither_tells_the_arm() -> None:
    pairs = [next_pair(Blind(seed=seed), {1: ["c1", "c2"]}) for seed in range(400)]
    left = Counter(pair.a for pair in pairs if pair is not None)
    assert 150 < left["c1"] < 250
    assert next_pair(Blind(seed=3), {1: ["c1", "c2"]}) == next_pair(
        Blind(seed=3), {1: ["c2", "c1"]}
    )


def test_what_has_no_answer_is_not_compared() -> None:
    assert next_pair(Blind(seed=1), {1: ["c1"], 2: []}) is None
    assert pairs_in_all({1: ["c1"], 2: []}) == 0
