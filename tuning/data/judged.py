"""Rows from judged answers, whether a run or a published app gave them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from core.canonical import Json
from tuning.data.candidates import TRAIN, Candidate
from tuning.data.rows import PairRow, Row, SftRow, ThumbRow, Turn, Turns, row_key
from tuning.methods import RowKind

MOST_PAIRS = 8
"""Pairs that the labels of one case give: one with many answers must not outweigh the others."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer with what people said of it; `rated` good is True, bad False.

    `name` says which cell or call it is, `case` is shared by the answers of one case; `asked` are
    the inputs that its prompt got.
    """

    name: str
    case: str
    prompt: Turns
    answer: Turns
    rated: bool | None
    correction: str | None = None
    tools: str = ""
    split: str | None = None
    asked: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def better(self) -> Turns | None:
        """What should have been said: the correction, else the good answer."""
        if self.correction is not None:
            return (Turn("assistant", self.correction),)
        return self.answer if self.rated else None


class Preferred(NamedTuple):
    """A pairwise label: the better and the worse answer."""

    better: Said
    worse: Said


def rows_of(
    said: Sequence[Said], kind: RowKind, tags: tuple[str, ...], preferred: Sequence[Preferred] = ()
) -> list[Candidate]:
    """Rows from judged answers, equal ones once; pure."""
    made = {"sft": _good, "dpo": _pairs, "kto": _thumbs}[kind](said)
    if kind == "dpo":
        made = [*_chosen(preferred), *made]
    found: dict[str, Candidate] = {}
    for one, row, why in _agreeing(made):
        made_of = Candidate(row, one.name, (*tags, why), one.split or TRAIN, one.asked or None)
        found.setdefault(row_key(row), made_of)
    return list(found.values())


class _Made(NamedTuple):
    """A row, the answer that it is of, and why: label, correction or preference."""

    said: Said
    row: Row
    why: str


def _good(said: Sequence[Said]) -> list[_Made]:
    return [
        _Made(one, SftRow(one.prompt + better, one.tools), _why(one))
        for one in said
        if (better := one.better) is not None
    ]


def _why(one: Said) -> str:
    return "label" if one.correction is None else "correction"


def _thumbs(said: Sequence[Said]) -> list[_Made]:
    """Every rated answer, and every correction as a good one."""
    rated = [
        _Made(one, ThumbRow(one.prompt, one.answer, one.rated, one.tools), "label")
        for one in said
        if one.rated is not None
    ]
    corrected = [
        _Made(one, ThumbRow(one.prompt, one.better, True, one.tools), "correction")
        for one in said
        if one.correction is not None and one.better is not None
    ]
    return [*rated, *corrected]


def _pairs(said: Sequence[Said]) -> list[_Made]:
    """Corrections against what they correct, then good against bad answers of the same case."""
    cases: dict[str, list[Said]] = {}
    for one in said:
        cases.setdefault(one.case, []).append(one)
    return [made for answers in cases.values() for made in _pairs_of_case(answers)]


def _pairs_of_case(said: Sequence[Said]) -> list[_Made]:
    made = [
        _Made(one, row, "correction")
        for one in said
        if one.correction is not None and one.better is not None
        if (row := _pair(one, one.better, one.answer)) is not None
    ]
    good = [one for one in said if one.rated]
    bad = [one for one in said if one.rated is False]
    # Answers to the very same prompt first: nothing but the answer differs in them.
    both = sorted(product(good, bad), key=lambda pair: pair[0].prompt != pair[1].prompt)
    for better, worse in both:
        row = _pair(better, better.better or better.answer, worse.answer)
        if row is not None:
            made.append(_Made(better, row, "label"))
    return made[:MOST_PAIRS]


def _pair(one: Said, chosen: Turns, rejected: Turns) -> PairRow | None:
    return None if chosen == rejected else PairRow(one.prompt, chosen, rejected, one.tools)


def _chosen(preferred: Sequence[Preferred]) -> list[_Made]:
    return [
        _Made(better, row, "preference")
        for better, worse in preferred
        if (row := _pair(better, better.answer, worse.answer)) is not None
    ]


def _agreeing(made: Sequence[_Made]) -> Iterator[_Made]:
    """Without pairs that stand both ways round, which teach nothing."""
    ways = {(one.row.chosen, one.row.rejected, one.said.case)
            for one in made if isinstance(one.row, PairRow)}  # fmt: skip
    for one in made:
        row = one.row
        if not isinstance(row, PairRow) or (row.rejected, row.chosen, one.said.case) not in ways:
            yield one
