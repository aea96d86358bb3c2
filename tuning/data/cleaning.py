"""The cleaning of rows, step by step, with counts before and after each. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rag.cleaning.changes import apply
from rag.cleaning.near_duplicates import NearDuplicates, alike
from rag.cleaning.pii import pii
from tuning.data.candidates import Candidate
from tuning.data.languages import LANGUAGES, is_in
from tuning.data.refusals import refuses
from tuning.data.rows import PairRow, Row, ThumbRow, answers_of, is_empty, row_key
from tuning.data.statistics import CountTokens, count_row, estimated
from tuning.data.texts import text_of, with_texts

_SHARED = 0.1
_SHARED_LEAST = 5


class RowCleaning(BaseModel):
    """Each step by itself; those that may take away what somebody wants are off.

    A refusal that a person called good may be just what the model is to learn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    empty: bool = Field(default=True, description="Rows without a question or an answer.")
    pii: bool = Field(
        default=True,
        description="Mask e-mail and IP addresses, phone, card, bank and identity numbers.",
    )
    context: int | None = Field(
        default=None, ge=16, le=1 << 24, description="Rows of more tokens than this."
    )
    languages: tuple[str, ...] = Field(
        default=(), description="Keep answers in these languages only: en, zh, ..."
    )
    refusals: bool = Field(default=False, description="Rows whose answer refuses.")
    duplicates: bool = Field(default=True, description="Rows that equal an earlier one.")
    near_duplicates: bool = Field(
        default=True, description="Rows whose question and answer nearly equal an earlier row's."
    )
    threshold: float = Field(
        default=0.9, ge=0.5, le=1, description="From which share of equal shingles on."
    )

    @field_validator("languages")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [code for code in codes if code not in LANGUAGES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(LANGUAGES)}")
        return codes


NOTHING = RowCleaning(empty=False, pii=False, duplicates=False, near_duplicates=False)


class Removed(NamedTuple):
    """A row that a step took out; `why` names what it is like, where it is like another."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did; one that is off took nothing. `changed` rows stayed with another text."""

    name: str
    on: bool
    before: int
    after: int
    changed: int = 0
    removed: tuple[Removed, ...] = ()


class Cleaned(NamedTuple):
    """What is left, and the steps in their order."""

    rows: list[Candidate]
    steps: tuple[Step, ...]


Verdicts = Iterator[Candidate | Removed]
_StepFunction = Callable[[Sequence[Candidate]], Verdicts]


def clean(
    rows: Sequence[Candidate],
    settings: RowCleaning,
    *,
    count: CountTokens = estimated,
    known: Sequence[Candidate] = (),
) -> Cleaned:
    """Every step on what the step before left; rows like one of `known` are duplicates, too."""
    kept, steps = list(rows), list[Step]()
    for name, on, step in _steps(settings, count, known):
        if not on:
            steps.append(Step(name, False, len(kept), len(kept)))
            continue
        made = list(step(kept))
        left = [one for one in made if isinstance(one, Candidate)]
        removed = tuple(one for one in made if isinstance(one, Removed))
        changed = sum(
            isinstance(after, Candidate) and after is not before
            for before, after in zip(kept, made, strict=True)
        )
        steps.append(Step(name, True, len(kept), len(left), changed, removed))
        kept = left
    return Cleaned(kept, tuple(steps))


def _steps(
    settings: RowCleaning, count: CountTokens, known: Sequence[Candidate]
) -> list[tuple[str, bool, _StepFunction]]:
    context, wanted = settings.context, frozenset(settings.languages)
    return [
        ("empty", settings.empty, _without(lambda row: "nothing to learn" * is_empty(row))),
        ("pii", settings.pii, _masked),
        (
            "too_long",
            context is not None,
            _without(lambda row: _too_long(row, context or 0, count)),
        ),
        ("language", bool(wanted), _without(lambda row: _foreign(row, wanted))),
        ("refusals", settings.refusals, _without(_refused)),
        ("duplicates", settings.duplicates, lambda rows: _equal(rows, known)),
        (
            "near_duplicates",
            settings.near_duplicates,
            lambda rows: _near(rows, known, settings.threshold),
        ),
    ]


def _without(why: Callable[[Row], str]) -> _StepFunction:
    """A step that takes out the rows for which there is a reason."""

    def step(rows: Sequence[Candidate]) -> Verdicts:
        for one in rows:
            reason = why(one.row)
            yield Removed(one.name, reason) if reason else one

    return step


def _masked(rows: Sequence[Candidate]) -> Verdicts:
    for one in rows:
        row = with_texts(one.row, lambda text: apply(text, (), pii(text)).text)
        yield one if row is one.row else replace(one, row=row)


def _too_long(row: Row, context: int, count: CountTokens) -> str:
    tokens = count_row(row, count)
    return f"{tokens} tokens" if tokens > context else ""


def _foreign(row: Row, wanted: frozenset[str]) -> str:
    return "" if is_in(text_of(answers_of(row)[0]), wanted) else "another language"


def _refused(row: Row) -> str:
    """Of a pair the better answer; what was called bad may refuse."""
    learned = not isinstance(row, ThumbRow) or row.label
    return "refuses" if learned and refuses(text_of(answers_of(row)[0])) else ""


def _equal(rows: Sequence[Candidate], known: Sequence[Candidate]) -> Verdicts:
    """Rows like an earlier one, and pairs whose answers are: they prefer nothing."""
    seen = {row_key(one.row): one.name for one in known}
    for one in rows:
        if isinstance(one.row, PairRow) and one.row.chosen == one.row.rejected:
            yield Removed(one.name, "both answers are equal")
            continue
        earlier = seen.setdefault(row_key(one.row), one.name)
        yield one if earlier is one.name else Removed(one.name, f"equals {earlier}")


def _near(rows: Sequence[Candidate], known: Sequence[Candidate], threshold: float) -> Verdicts:
    """Alike is a row whose question and answers are: many questions may share an answer."""
    every = [*known, *rows]
    shared = _shared_lines(every)
    seen = {label: NearDuplicates[int](threshold) for label in (None, True, False)}
    for place, one in enumerate(every):
        label = one.row.label if isinstance(one.row, ThumbRow) else None
        earlier = seen[label].add(place, _compared(one, shared))
        same = earlier is not None and _answers_alike(every[earlier].row, one.row, threshold)
        if place >= len(known):
            like = f"nearly equals {every[earlier].name}" if same and earlier is not None else ""
            yield Removed(one.name, like) if like else one


def _shared_lines(rows: Sequence[Candidate]) -> frozenset[str]:
    """Lines that so many questions have that they are a template's: they tell nothing apart."""
    counts = Counter(line for one in rows for line in set(one.question.splitlines()))
    least = max(_SHARED_LEAST, _SHARED * len(rows))
    return frozenset(line for line, n in counts.items() if n > least)


def _compared(one: Candidate, shared: frozenset[str]) -> str:
    lines = [line for line in one.question.splitlines() if line not in shared]
    return "\n".join([*lines, *(text_of(answer) for answer in answers_of(one.row))])


def _answers_alike(a: Row, b: Row, threshold: float) -> bool:
    pairs = zip(answers_of(a), answers_of(b), strict=True)
    return all(alike(text_of(one), text_of(other)) >= threshold for one, other in pairs)
