"""A data set of rows from candidates: leaks out, cleaned, and joined to what is there."""

from collections.abc import Mapping, Sequence
from itertools import count as count_from
from typing import NamedTuple

from sqlmodel import Session

from core.canonical import Json, content_hash
from core.database import Database
from core.errors import Invalid, NotFound
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import as_row, iter_cases
from evalsets.datasets.edits import add_case, typed_cases
from evalsets.datasets.service import DatasetPushed
from evalsets.files.cases import ParsedCases
from evalsets.files.export import case_rows
from tuning.data.candidates import Candidate
from tuning.data.cleaning import Cleaned, RowCleaning, Step, clean
from tuning.data.held_out import held_out
from tuning.data.leaks import Leak, without_leaks
from tuning.data.reading import Unread, read_row
from tuning.data.rows import as_columns
from tuning.data.statistics import (
    CountTokens,
    TokenStatistics,
    estimated,
    row_tokens,
    token_statistics,
)
from tuning.methods import RowKind


class Report(NamedTuple):
    """What became of candidates: `given`, of which `leaks` were refused and `steps` took others.

    `known` rows were in the data set before; `tokens` are of the new rows that are learned.
    """

    given: int
    leaks: tuple[Leak, ...]
    steps: tuple[Step, ...]
    new: int
    held_out: int
    known: int
    tokens: TokenStatistics


class Prepared(NamedTuple):
    """A version ready to be stored, made with no transaction open."""

    name: str
    based_on: int | None
    cases: ParsedCases
    report: Report


class _Standing(NamedTuple):
    """What a data set holds: `stored` are its cases as flat rows, `rows` the same as candidates."""

    version: int | None
    stored: list[dict[str, Json]]
    rows: list[Candidate]


def check_rows(
    database: Database,
    rows: Sequence[Candidate],
    cleaning: RowCleaning,
    *,
    version_id: int | None = None,
    known: Sequence[Candidate] = (),
    count: CountTokens = estimated,
) -> tuple[Cleaned, tuple[Leak, ...]]:
    """Rows apart from leaks and from what cleaning takes; nothing is stored."""
    with database.read_scope() as session:
        cases = held_out(session, version_id)
    checked = without_leaks(rows, cases)
    return clean(checked.rows, cleaning, count=count, known=known), tuple(checked.leaks)


def prepare(
    database: Database,
    name: str,
    kind: RowKind,
    rows: Sequence[Candidate],
    cleaning: RowCleaning,
    *,
    count: CountTokens = estimated,
) -> Prepared:
    """The next version of a data set: what it holds and the rows; raises Invalid for no new row."""
    if not rows:
        raise Invalid("There is no row to add. Label some outputs first.")
    standing = _standing(database, name, kind)
    cleaned, leaks = check_rows(database, rows, cleaning, known=standing.rows, count=count)
    lengths = [row_tokens(one.row, count) for one in cleaned.rows if one.learned]
    report = Report(
        given=len(rows),
        leaks=leaks,
        steps=cleaned.steps,
        new=len(cleaned.rows),
        held_out=sum(not one.learned for one in cleaned.rows),
        known=len(standing.rows),
        tokens=token_statistics(lengths, cleaning.context),
    )
    if not cleaned.rows:
        raise Invalid(f"No row is left: {_taken(report)}. Label more, or clean less.")
    cases = typed_cases([*standing.stored, *_flat(cleaned.rows, standing.stored)])
    _ = cases.hash  # takes a while, so before the transaction
    return Prepared(name, standing.version, cases, report)


def _taken(report: Report) -> str:
    parts = [f"{len(report.leaks)} leaks"] if report.leaks else []
    parts += [f"{step.name} {step.before - step.after}" for step in report.steps
              if step.before > step.after]  # fmt: skip
    return ", ".join(parts)


def _flat(rows: Sequence[Candidate], stored: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Rows as a file has them; an id is of question and answer, so that it stays over versions."""
    taken = {str(row["id"]) for row in stored}
    found: list[dict[str, Json]] = []
    for one in rows:
        inputs, expected = as_columns(one.row)
        digest = content_hash([inputs, expected])[:12]
        names = (digest if n == 1 else f"{digest}-{n}" for n in count_from(1))
        case_id = next(name for name in names if name not in taken)
        taken.add(case_id)
        said = {"id": case_id, "expected": expected, "tags": list(one.tags), "split": one.split}
        found.append({**inputs, **said})
    return found


def _standing(database: Database, name: str, kind: RowKind) -> _Standing:
    with database.read_scope() as session:
        try:
            newest = datasets.get(session, name)
        except NotFound:
            return _Standing(None, [], [])
        cases = list(iter_cases(session, newest.version_id))
    rows: list[Candidate] = []
    for case in cases:
        row = read_row(case.inputs, case.expected)
        if isinstance(row, Unread) or row.kind != kind:
            why = row.reason if isinstance(row, Unread) else f"it holds {row.kind} rows"
            raise Invalid(
                f"{name} exists and is no data set of {kind} rows (case {case.case_id}: {why}). "
                "Choose another name.",
                param="name",
            )
        rows.append(Candidate(row, f"case {case.case_id} of {name}", split=case.split))
    stored = case_rows([as_row(case) for case in cases], "jsonl")
    return _Standing(newest.version, [dict(row) for row in stored], rows)


def store(session: Session, ready: Prepared, message: str = "") -> DatasetPushed:
    """Push what was prepared; raises Conflict when the data set has moved on since."""
    return add_case(session, ready.name, ready.cases, based_on=ready.based_on, message=message)
