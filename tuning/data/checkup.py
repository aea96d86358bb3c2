"""What a training would find in a data set's version: rows, leaks, cleaning, lengths."""

from typing import NamedTuple

from core.database import Database
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from tuning.data.candidates import HELD_OUT, TRAIN, Candidate
from tuning.data.cleaning import RowCleaning, Step, clean
from tuning.data.held_out import held_out
from tuning.data.leaks import Leak, without_leaks
from tuning.data.loading import BadRow, NamedRow, sort_rows
from tuning.data.statistics import TokenStatistics, by_source, row_tokens, token_statistics
from tuning.methods import RowKind


class Checkup(NamedTuple):
    """Nothing of it is stored: `steps` are what cleaning would do to the rows that are learned.

    `sources` are tags of origin with their rows.
    """

    learned: int
    held_out: int
    bad: tuple[BadRow, ...]
    leaks: tuple[Leak, ...]
    steps: tuple[Step, ...]
    tokens: TokenStatistics
    sources: dict[str, int]


ORIGINS = ("label", "correction", "preference", "feedback")


def check_up(
    database: Database, name: str, version: int, kind: RowKind, cleaning: RowCleaning | None = None
) -> Checkup:
    """All of a version at once; a minute for some 50,000 rows. Raises NotFound."""
    with database.read_scope() as session:
        found = datasets.get(session, name, version)
        cases = list(iter_cases(session, found.version_id))
        exam = held_out(session, found.version_id)
    rows = sort_rows(cases, kind)
    checked = without_leaks([_candidate(one) for one in rows.training], exam)
    cleaned = clean(checked.rows, cleaning or RowCleaning())
    return Checkup(
        learned=len(rows.training),
        held_out=len(rows.evaluation),
        bad=rows.bad,
        leaks=tuple(checked.leaks),
        steps=cleaned.steps,
        tokens=token_statistics([row_tokens(one.row) for one in rows.training]),
        sources=by_source((c.tags for c in cases if c.split not in HELD_OUT), ORIGINS),
    )


def _candidate(one: NamedRow) -> Candidate:
    return Candidate(one.row, one.case_id, (), TRAIN)
