"""Rows that equal or nearly equal a case that is held out: a model must not learn its own exam.

A case is found in a row where at least `NEAR` of its shingles (three words, or three characters of
Chinese) stand in what the row asks: a template around it changes nothing. What many rows share is a
template's and counts for nothing. A short case must stand there whole, or be nearly all that a turn
asks, word by word.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from rag.cleaning.near_duplicates import shingles, words
from tuning.data.candidates import Candidate, inputs_text
from tuning.data.held_out import HeldOut
from tuning.data.prefix_index import Marks, PrefixIndex, common
from tuning.data.rows import prompt_of
from tuning.data.texts import asked_text, text_of

NEAR = 0.7
"""A word changed in a question of twelve leaves seven of its ten shingles."""
NEAR_SHORT = 0.8
"""Of the words of both: one changed in ten."""
SHORT = 12
SHORTEST = 6
"""Shorter texts must equal a turn or a line: five words stand in many a row by chance."""
_SHARED = 0.1
_SHARED_LEAST = 5
_LOOKED_AT = 2_000
_LINES, _LEAST_LINE = 500, 3
_TELLING, _TELLING_SHORT = 5, 3


class Leak(NamedTuple):
    """A row that must not be learned; `share` of the case is in it, 1 where it is equal."""

    row: str
    dataset: str
    case_id: str
    split: str
    share: float

    def __str__(self) -> str:
        like = "equals" if self.share >= 1 else f"nearly equals ({self.share:.0%})"
        return f"{self.row} {like} case {self.case_id} of {self.dataset} ({self.split})"


class _Text(NamedTuple):
    """A text of a case; of a `part` a turn must be nearly all."""

    case: HeldOut
    part: bool
    short: bool
    numbers: tuple[str, ...]


class LeakCheck:
    """Held-out cases, ready to be looked for in many rows.

    `sample` are questions of the rows: what a tenth of them share tells nothing.
    """

    def __init__(self, cases: Iterable[HeldOut], sample: Sequence[str] = ()) -> None:
        self._equal: dict[tuple[str, ...], HeldOut] = {}
        self._whole: dict[tuple[str, ...], HeldOut] = {}
        self._long = PrefixIndex[_Text](NEAR)
        self._short = PrefixIndex[_Text](NEAR_SHORT)
        shared = _shared(sample)
        for case in cases:
            self._add(case, case.text, shared, part=False)
            for part in case.parts:
                self._add(case, part, shared, part=True)
        self._long.close()
        self._short.close()

    def _add(self, case: HeldOut, text: str, shared: Marks, *, part: bool) -> None:
        tokens = words(text)
        if not tokens or (part and len(tokens) < SHORTEST):
            return
        self._equal.setdefault(tuple(tokens), case)
        if not part:
            self._whole.setdefault(tuple(tokens), case)
        one = _Text(case, part, len(tokens) < SHORT, _numbers(tokens))
        if len(tokens) < SHORTEST:
            return
        telling = np.setdiff1d(shingles(tokens), shared, assume_unique=True)
        if len(telling) >= (_TELLING if len(tokens) >= SHORT else _TELLING_SHORT):
            self._long.add(one, telling)
        if len(tokens) < SHORT:
            self._short.add(one, _word_marks(tokens))

    def find(self, one: Candidate) -> Leak | None:
        """The held-out case that a row gives away most of, if any."""
        turns = [words(text) for text in _questions(one)]
        equal = [self._equal.get(tuple(tokens)) for tokens in turns]
        equal += [self._whole.get(tuple(tokens)) for tokens in _lines(one)]
        for case in equal:
            if case is not None:
                return _leak(one, case, 1.0)
        return self._nearly_long(one, turns) or self._nearly_short(one, turns)

    def _nearly_long(self, one: Candidate, turns: Sequence[Sequence[str]]) -> Leak | None:
        whole = shingles(words("\n".join([one.question, text_of(prompt_of(one.row))])))
        best: Leak | None = None
        for found in self._long.contained(whole):
            text = found.value
            if found.share < (1 if text.short else NEAR) or (best and found.share <= best.share):
                continue
            if text.part and not any(_alike(found.marks, shingles(turn), NEAR) for turn in turns):
                continue
            best = _leak(one, text.case, min(found.share, 0.99))
        return best

    def _nearly_short(self, one: Candidate, turns: Sequence[Sequence[str]]) -> Leak | None:
        for tokens in turns:
            if not SHORTEST <= len(tokens) < 2 * SHORT:
                continue
            marks = _word_marks(tokens)
            for found in self._short.contained(marks):
                same = found.value.numbers == _numbers(tokens)
                if same and _alike(found.marks, marks, NEAR_SHORT):
                    return _leak(one, found.value.case, min(found.share, 0.99))
        return None


def _leak(one: Candidate, case: HeldOut, share: float) -> Leak:
    return Leak(one.name, case.dataset, case.case_id, case.split, share)


def _questions(one: Candidate) -> list[str]:
    """Texts of a row that may be a whole case: its inputs, all its questions, each of them."""
    turns = [turn.content for turn in prompt_of(one.row) if turn.role == "user"]
    inputs = [] if one.asked is None else [inputs_text(one.asked)]
    return list(dict.fromkeys([*inputs, asked_text(one.row), *turns]))


def _lines(one: Candidate) -> Iterator[list[str]]:
    """Lines of what is asked, also without a label before a colon: where templates put values."""
    for turn in prompt_of(one.row):
        lines = turn.content.splitlines()[:_LINES] if turn.role == "user" else []
        for line in lines:
            for text in dict.fromkeys((line, line.partition(":")[2])):
                tokens = words(text)
                if len(tokens) >= _LEAST_LINE:
                    yield tokens


def _alike(a: Marks, b: Marks, least: float) -> bool:
    both = common(a, b)
    return both >= least * (len(a) + len(b) - both)


def _word_marks(tokens: Sequence[str]) -> Marks:
    return np.unique(np.fromiter((crc32(token.encode()) for token in tokens), np.uint64))


def _numbers(tokens: Sequence[str]) -> tuple[str, ...]:
    """In a short text another number is another question."""
    return tuple(token for token in tokens if token.isdecimal())


def _shared(texts: Sequence[str]) -> Marks:
    counts = Counter[int]()
    for text in dict.fromkeys(texts):
        counts.update(shingles(words(text)).tolist())
    least = max(_SHARED_LEAST, _SHARED * len(texts))
    return np.array(sorted(mark for mark, n in counts.items() if n >= least), np.uint64)


class Checked(NamedTuple):
    """Rows that may be learned, or are held out themselves, and those that may not."""

    rows: list[Candidate]
    leaks: list[Leak]


def without_leaks(rows: Sequence[Candidate], cases: Iterable[HeldOut]) -> Checked:
    """Rows apart from those that give away a held-out case."""
    learned = [one for one in rows if one.learned]
    looked_at = random.Random(0).sample(learned, min(_LOOKED_AT, len(learned)))
    check = LeakCheck(cases, [asked_text(one.row) for one in looked_at])
    kept: list[Candidate] = []
    leaks: list[Leak] = []
    for one in rows:
        leak = check.find(one) if one.learned else None
        if leak is None:
            kept.append(one)
        else:
            leaks.append(leak)
    return Checked(kept, leaks)
