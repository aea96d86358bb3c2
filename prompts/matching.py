"""Common runs of two sequences (Myers, "An O(ND) Difference Algorithm", Algorithmica 1986)."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")
MOST_EDITS = 1500


class Block(NamedTuple):
    """Items `start:end` of the left stand for `other:stop` of the right; `same` if they equal."""

    same: bool
    start: int
    end: int
    other: int
    stop: int


def blocks(left: Sequence[T], right: Sequence[T], most: int = MOST_EDITS) -> list[Block]:
    """The sequences cut into equal and differing runs, with as few differing items as can be.

    Time is O((N + M) D) for D differing items; beyond `most` of them, all between the common
    beginning and end counts as different.
    """
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    inner_left, inner_right = left[head : len(left) - tail], right[head : len(right) - tail]
    pairs = [(at, at) for at in range(head)]
    pairs += [(x + head, y + head) for x, y in _matches(inner_left, inner_right, most)]
    pairs += [(len(left) - at, len(right) - at) for at in range(tail, 0, -1)]
    return _runs(pairs, len(left), len(right))


def _common(left: Sequence[T], right: Sequence[T]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _matches(left: Sequence[T], right: Sequence[T], most: int) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence, or none if it takes more than `most` edits."""
    n, m = len(left), len(right)
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for d in range(min(most, n + m) + 1):
        trace.append({k: furthest[k] for k in range(-d - 1, d + 2) if k in furthest})
        for k in range(-d, d + 1, 2):
            down = k == -d or (k != d and furthest[k - 1] < furthest[k + 1])
            x = furthest[k + 1] if down else furthest[k - 1] + 1
            while x < n and x - k < m and left[x] == right[x - k]:
                x += 1
            furthest[k] = x
            if x >= n and x - k >= m:
                return _walked_back(trace, n, m)
    return []


def _walked_back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for d in range(len(trace) - 1, -1, -1):
        before, k = trace[d], x - y
        down = k == -d or (k != d and before[k - 1] < before[k + 1])
        start_x = before[k + 1] if down else before[k - 1]
        start_y = start_x - (k + 1 if down else k - 1)
        while x > max(start_x, 0) and y > max(start_y, 0):
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = start_x, start_y
    return pairs[::-1]


def _runs(pairs: list[tuple[int, int]], n: int, m: int) -> list[Block]:
    found: list[Block] = []
    x = y = 0
    for i, j in [*pairs, (n, m)]:
        if i > x or j > y:
            found.append(Block(False, x, i, y, j))
        if i < n:
            if found and found[-1].same and found[-1].end == i and found[-1].stop == j:
                last = found.pop()
                found.append(Block(True, last.start, i + 1, last.other, j + 1))
            else:
                found.append(Block(True, i, i + 1, j, j + 1))
        x, y = i + 1, j + 1
    return found
