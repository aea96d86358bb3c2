"""Which two answers are compared next, blind: decided by a seed and by the votes so far."""

import random
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from prompts.scene import Blind, Vote


class Pair(NamedTuple):
    """Two columns' answers to one repeat; `a` stands left."""

    a: str
    b: str
    repeat: int


def pairs_in_all(answered: Mapping[int, Collection[str]]) -> int:
    """How many votes a comparison takes; `answered` gives the columns with an answer by repeat."""
    return sum(max(len(columns) - 1, 0) for columns in answered.values())


def next_pair(round: Blind, answered: Mapping[int, Collection[str]]) -> Pair | None:
    """The pair to vote on now; None when all are done.

    For each repeat the columns come in an order of the seed. The better of two meets the next one
    (after a tie the first of them does), so n columns take n - 1 votes; sides are drawn anew.
    """
    for repeat in sorted(answered):
        mine = [vote for vote in round.votes if vote.repeat == repeat]
        order = _order(round.seed, repeat, answered[repeat])
        if len(mine) + 1 < len(order):
            best = _best(order[0] if order else "", mine)
            return _sides(round.seed, repeat, best, order[len(mine) + 1])
    return None


def _order(seed: int, repeat: int, columns: Collection[str]) -> list[str]:
    return random.Random(f"{seed}/{repeat}").sample(sorted(columns), len(columns))


def _best(first: str, votes: Sequence[Vote]) -> str:
    best = first
    for vote in votes:
        best = {"a": vote.a, "b": vote.b, "tie": best}[vote.preference]
    return best


def _sides(seed: int, repeat: int, one: str, other: str) -> Pair:
    left, right = random.Random(f"{seed}/{repeat}/{one}/{other}").sample([one, other], 2)
    return Pair(left, right, repeat)


def wins(round: Blind) -> dict[str, int]:
    """Votes won by each column."""
    found: dict[str, int] = {}
    for vote in round.votes:
        if vote.preference != "tie":
            won = vote.a if vote.preference == "a" else vote.b
            found[won] = found.get(won, 0) + 1
    return found
