"""How long rows are, in tokens, and where they come from. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from connectors.tokens import count_text
from tuning.data.rows import Row, Turns, answers_of, prompt_of

TEMPLATE = 4
"""Tokens of a chat template around each message, about: markers, role and line ends."""

CountTokens = Callable[[str], int]


def estimated(text: str) -> int:
    """Tokens as o200k_base cuts them, where the model's own tokenizer is not at hand."""
    return count_text(text).n


class RowTokens(NamedTuple):
    """Tokens of the prompt, and of the longest answer."""

    prompt: int
    answer: int

    @property
    def total(self) -> int:
        """What must fit into the context."""
        return self.prompt + self.answer


def row_tokens(row: Row, count: CountTokens = estimated) -> RowTokens:
    """Tokens of a row with about what a chat template adds; tools belong to the prompt."""
    prompt = _tokens(prompt_of(row), count) + (count(row.tools) if row.tools else 0)
    return RowTokens(prompt, max(_tokens(answer, count) for answer in answers_of(row)))


def count_row(row: Row, count: CountTokens = estimated) -> int:
    """Tokens of prompt and longest answer together."""
    return row_tokens(row, count).total


def _tokens(turns: Turns, count: CountTokens) -> int:
    return sum(TEMPLATE + count(turn.content) + (count(turn.calls) if turn.calls else 0)
               for turn in turns)  # fmt: skip


class Spread(NamedTuple):
    """Nearest-rank quantiles of some counts."""

    median: int
    p95: int
    most: int
    total: int


class TokenStatistics(NamedTuple):
    """`over` is the share of rows longer than `context`, None without one."""

    rows: int
    prompt: Spread
    answer: Spread
    both: Spread
    context: int | None
    over: float | None


def token_statistics(lengths: Sequence[RowTokens], context: int | None = None) -> TokenStatistics:
    """Of rows that were counted; all zero where there is none."""
    over = sum(one.total > context for one in lengths) if context else 0
    return TokenStatistics(
        len(lengths),
        spread([one.prompt for one in lengths]),
        spread([one.answer for one in lengths]),
        spread([one.total for one in lengths]),
        context,
        over / len(lengths) if context and lengths else None,
    )


def spread(counts: Sequence[int]) -> Spread:
    """Nearest-rank quantiles (Hyndman and Fan 1996, type 1)."""
    if not counts:
        return Spread(0, 0, 0, 0)
    ranked = sorted(counts)
    return Spread(
        ranked[_rank(0.5, len(ranked))], ranked[_rank(0.95, len(ranked))], ranked[-1], sum(ranked)
    )


def _rank(share: float, n: int) -> int:
    return max(0, -(-int(share * 100) * n // 100) - 1)


def by_source(tags: Iterable[Sequence[str]], sources: Sequence[str]) -> dict[str, int]:
    """How many rows carry each of these tags, the most frequent first; the rest is not counted."""
    known = set(sources)
    found = Counter(tag for each in tags for tag in each if tag in known)
    return dict(found.most_common())
