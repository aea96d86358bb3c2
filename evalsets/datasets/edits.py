"""Cases typed in a table: checked like a file, and made into new versions."""

from collections.abc import Iterator, Mapping, Sequence

from sqlmodel import Session

from core.canonical import Json
from core.errors import Conflict, Invalid, NotFound
from evalsets.datasets.cases import as_row, iter_cases
from evalsets.datasets.service import DatasetPushed, get, push
from evalsets.files.cases import ParsedCases
from evalsets.files.collecting import collect
from evalsets.files.export import case_rows
from evalsets.files.tables import RawRow, RawTable


def typed_cases(rows: Sequence[Mapping[str, Json]]) -> ParsedCases:
    """Cases from a table, under the rules and limits of files; Invalid names the row."""
    table = RawTable("grid", _raw(rows))
    found = collect(table)
    for line, message in found.problems:
        where = f"Row {line}: " if line else ""
        raise Invalid(f"{where}{message.rstrip('.')}.")
    return found.parsed


def _raw(rows: Sequence[Mapping[str, Json]]) -> Iterator[RawRow]:
    for number, row in enumerate(rows, 1):
        yield RawRow(number, dict(row))


def load_cases(session: Session, name: str, ref: str | int = "latest") -> ParsedCases:
    """A stored version as the cases it was pushed from."""
    version = get(session, name, ref)
    cases = [as_row(case) for case in iter_cases(session, version.version_id)]
    return ParsedCases(cases, list(version.columns), None, "stored", [])


def edited(
    cases: ParsedCases,
    *,
    updates: Mapping[str, Mapping[str, Json]] | None = None,
    deletes: Sequence[str] = (),
    additions: Sequence[Mapping[str, Json]] = (),
) -> ParsedCases:
    """`cases` with whole flat rows replaced by id, taken out and added; pure.

    Rows are as in a file: `id`, `tags`, `split`, `expected` and inputs. Raises Invalid.
    """
    updates = updates or {}
    known = {case.case_id for case in cases.cases}
    for case_id in [*updates, *deletes]:
        if case_id not in known:
            raise Invalid(f"There is no case {case_id[:60]!r}. Open the data set again.")
    gone = set(deletes)
    kept = [
        updates.get(row_id, flat)
        for flat in case_rows(cases.cases, "jsonl")
        if (row_id := str(flat["id"])) not in gone
    ]
    return typed_cases([*kept, *additions])


def save_edited(
    session: Session, name: str, parsed: ParsedCases, *, based_on: int, message: str = ""
) -> DatasetPushed:
    """Push what `edited` made of version `based_on`; Conflict if a newer one came between."""
    newest = get(session, name)
    if newest.version != based_on and newest.hash != parsed.hash:
        raise Conflict(
            f"{newest.name} got version {newest.version} from {newest.author} since you opened "
            f"version {based_on}. Compare the two, then edit version {newest.version}.",
            code="version_conflict",
        )
    return push(session, name, parsed, message=message, source="edited")


def with_case(
    cases: ParsedCases | None, inputs: Mapping[str, Json], expected: str | None
) -> ParsedCases:
    """`cases` and one more; one that has these inputs gets the expected output instead; pure.

    Raises Invalid.
    """
    known = () if cases is None else cases.cases
    same = next((case for case in known if case.inputs == inputs), None)
    if cases is None or same is None:
        row = {**inputs, **({} if expected is None else {"expected": expected})}
        return typed_cases([row]) if cases is None else edited(cases, additions=[row])
    (flat,) = case_rows([same], "jsonl")
    return edited(cases, updates={same.case_id: {**flat, "expected": expected}})


def add_case(
    session: Session,
    name: str,
    parsed: ParsedCases,
    *,
    based_on: int | None,
    message: str = "",
) -> DatasetPushed:
    """Push what `with_case` made of version `based_on`, or of a data set that did not exist.

    Raises Conflict when somebody was faster.
    """
    if based_on is not None:
        return save_edited(session, name, parsed, based_on=based_on, message=message)
    try:
        newer = get(session, name)
    except NotFound:
        return push(session, name, parsed, message=message, source="typed")
    raise Conflict(
        f"{newer.name} was made in the meantime. Press once more to add the case to it.",
        code="version_conflict",
    )
