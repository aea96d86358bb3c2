"""ROUGE of Lin 2004 on words, or on characters where a script puts no spaces; pure.

On plain English the figures are those of the package `rouge-score` without its stemmer, which
drops every letter outside of a to z and so gives 0 to any two Chinese texts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import regex

Variant = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]
MAX_TOKENS = 10_000
MAX_LINE_PAIRS = 40_000
_UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # as `length`
)
_TOKEN = regex.compile(rf"[{_UNSPACED}]\p{{M}}*|[\p{{L}}\p{{M}}\p{{N}}--[{_UNSPACED}]]+", regex.V1)


class Overlap(NamedTuple):
    """Shares from 0 to 1: of the output's tokens, of the expected ones, and their F1."""

    precision: float
    recall: float
    f1: float


def tokens(text: str) -> list[str]:
    """Words in lower case; characters of scripts without spaces."""
    return _TOKEN.findall(text.lower())


def rouge(variant: Variant, output: str, expected: str) -> Overlap:
    """Raises ValueError for texts that are too long to be compared."""
    if variant == "rougeLsum":
        return _by_lines(_lines(output), _lines(expected))
    made, wanted = _bounded(tokens(output)), _bounded(tokens(expected))
    if variant == "rougeL":
        return _overlap(_lcs_length(wanted, made), len(made), len(wanted))
    n = int(variant[-1])
    ours, theirs = _ngrams(made, n), _ngrams(wanted, n)
    return _overlap((ours & theirs).total(), ours.total(), theirs.total())


def _bounded(found: list[str]) -> list[str]:
    if len(found) > MAX_TOKENS:
        raise ValueError(f"a text has more than {MAX_TOKENS:,} words")
    return found


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _overlap(hits: int, made: int, wanted: int) -> Overlap:
    if not hits:
        return Overlap(0.0, 0.0, 0.0)
    precision, recall = hits / made, hits / wanted
    return Overlap(precision, recall, 2 * precision * recall / (precision + recall))


# -- longest common subsequences, by rows of bits (Crochemore et al. 2001) -------------------------


def _places(words: Sequence[str]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for at, word in enumerate(words):
        found[word] = found.get(word, 0) | 1 << at
    return found


def _rows(wanted: Sequence[str], made: Sequence[str]) -> list[int]:
    """Row i: bit j is 0 where the first i words wanted share one more with the first j + 1 made."""
    places, full = _places(made), (1 << len(made)) - 1
    rows = [full]
    for word in wanted:
        row = rows[-1]
        hit = row & places.get(word, 0)
        rows.append(((row + hit) | (row - hit)) & full)
    return rows


def _lcs_length(wanted: Sequence[str], made: Sequence[str]) -> int:
    places, full = _places(made), (1 << len(made)) - 1
    row = full
    for word in wanted:
        hit = row & places.get(word, 0)
        row = ((row + hit) | (row - hit)) & full
    return len(made) - row.bit_count()


def _lcs_places(wanted: Sequence[str], made: Sequence[str]) -> set[int]:
    """Places in `wanted` of one longest common subsequence: that which rouge-score picks."""
    rows = _rows(wanted, made)

    def length(i: int, j: int) -> int:
        return j - (rows[i] & ((1 << j) - 1)).bit_count()

    i, j, found = len(wanted), len(made), set[int]()
    while i and j:
        if wanted[i - 1] == made[j - 1]:
            i, j = i - 1, j - 1
            found.add(i)
        elif length(i, j - 1) > length(i - 1, j):
            j -= 1
        else:
            i -= 1
    return found


def _lines(text: str) -> list[list[str]]:
    lines = [tokens(line) for line in text.split("\n") if line]
    _bounded([word for line in lines for word in line])
    return lines


def _by_lines(made: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> Overlap:
    """Of each expected line, what all lines of the output together share with it."""
    if len(made) * len(wanted) > MAX_LINE_PAIRS:
        raise ValueError("the texts have too many lines for rougeLsum")
    ours, theirs = (Counter(word for line in lines for word in line) for lines in (made, wanted))
    sizes = ours.total(), theirs.total()
    hits = 0
    for line in wanted:
        places = set[int]().union(*(_lcs_places(line, other) for other in made))
        for word in (line[at] for at in sorted(places)):
            if ours[word] > 0 and theirs[word] > 0:
                hits += 1
                ours[word] -= 1
                theirs[word] -= 1
    return _overlap(hits, *sizes)
