"""The cases of a data set version: pages, differences, export."""

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson
from sqlalchemy import Text, cast, func, or_
from sqlmodel import Session, col, select

from evalsets.datasets.service import DatasetPublic, get
from evalsets.files.cases import CaseRow
from evalsets.files.export import ExportFormat, case_columns, case_rows, write_rows
from evalsets.models import Case

PAGE = 50
_BATCH = 1_000


class CasePublic(NamedTuple):
    """A stored case; `position` counts from 0 in its version, `id` is its row's."""

    id: int
    position: int
    case_id: str
    inputs: dict[str, Any]
    inputs_hash: str
    expected: str | None
    tags: list[str]
    split: str | None


class CasePage(NamedTuple):
    """Some cases in order; `after` is the cursor of the next page, null on the last."""

    cases: list[CasePublic]
    after: int | None


def page_cases(
    session: Session,
    version_id: int,
    *,
    after: int | None = None,
    limit: int = PAGE,
    split: str | None = None,
    tag: str | None = None,
    search: str | None = None,
) -> CasePage:
    """The cases behind position `after` that pass every filter; a page may be short under `tag`.

    `search` looks into id, inputs and expected, regardless of case.
    """
    query = select(Case).where(Case.version_id == version_id).order_by(col(Case.position))
    if after is not None:
        query = query.where(Case.position > after)
    if split is not None:
        query = query.where(Case.split == split)
    if tag is not None:
        query = query.where(cast(Case.tags, Text).contains(_in_json(tag), autoescape=True))
    if search:
        inputs, expected = func.lower(cast(Case.inputs, Text)), func.lower(col(Case.expected))
        query = query.where(
            or_(
                func.lower(Case.case_id).contains(search.lower(), autoescape=True),
                inputs.contains(_in_json(search.lower()), autoescape=True),
                expected.contains(search.lower(), autoescape=True),
            )
        )
    rows = list(session.exec(query.limit(limit)))
    cases = [_public(row) for row in rows if tag is None or tag in row.tags]
    return CasePage(cases, rows[-1].position if len(rows) == limit else None)


def _in_json(text: str) -> str:
    """`text` as it stands inside a JSON text."""
    return orjson.dumps(text).decode()[1:-1]


def _public(row: Case) -> CasePublic:
    return CasePublic(
        row.id or 0,
        row.position,
        row.case_id,
        row.inputs,
        row.inputs_hash,
        row.expected,
        row.tags,
        row.split,
    )


def iter_cases(
    session: Session, version_id: int, *, limit: int | None = None
) -> Iterator[CasePublic]:
    """All cases in order, or the first `limit`, a thousand in memory at a time."""
    after, left = -1, limit
    while left is None or left > 0:
        size = _BATCH if left is None else min(_BATCH, left)
        query = select(Case).where(Case.version_id == version_id, Case.position > after)
        rows = list(session.exec(query.order_by(col(Case.position)).limit(size)))
        for row in rows:
            session.expunge(row)
            yield _public(row)
        if len(rows) < size:
            return
        after = rows[-1].position
        left = None if left is None else left - len(rows)


def get_case(session: Session, version_id: int, case_id: str) -> CasePublic | None:
    """The case called `case_id`, if the version has it."""
    query = select(Case).where(Case.version_id == version_id, Case.case_id == case_id)
    row = session.exec(query).first()
    return None if row is None else _public(row)


def split_counts(session: Session, version_id: int) -> dict[str | None, int]:
    """Cases by split; null where a case has none."""
    query = select(Case.split, func.count()).where(Case.version_id == version_id)
    return dict(session.exec(query.group_by(col(Case.split))).all())


def tag_counts(session: Session, version_id: int) -> dict[str, int]:
    """Cases by tag, by name; grouped in the database by equal lists of tags."""
    tags = cast(Case.tags, Text)
    query = select(tags, func.count()).where(Case.version_id == version_id).group_by(tags)
    found: dict[str, int] = {}
    for text, n in session.connection().execute(query):
        for tag in set(orjson.loads(text)):
            found[tag] = found.get(tag, 0) + n
    return dict(sorted(found.items()))


class CaseChange(NamedTuple):
    """A case before and after; null where it is new or gone."""

    case_id: str
    before: CaseRow | None
    after: CaseRow | None


class DatasetDiff(NamedTuple):
    """Counts over all cases; `changes` are the first of them, in the order of the versions."""

    added: int
    removed: int
    changed: int
    unchanged: int
    columns_added: list[str]
    columns_removed: list[str]
    changes: list[CaseChange]


def diff(
    session: Session, name: str, a: str | int, b: str | int, *, limit: int = 200
) -> DatasetDiff:
    """What became of the cases of version `a` in version `b`, matched by id."""
    one, other = get(session, name, a), get(session, name, b)
    before = _rows_by_id(session, one)
    after = _rows_by_id(session, other)
    changes = [
        CaseChange(case_id, before.get(case_id), after.get(case_id))
        for case_id in [*before, *(new for new in after if new not in before)]
        if before.get(case_id) != after.get(case_id)
    ]
    added = sum(change.before is None for change in changes)
    removed = sum(change.after is None for change in changes)
    changed = len(changes) - added - removed
    return DatasetDiff(
        added,
        removed,
        changed,
        len(before) - removed - changed,
        [column for column in other.columns if column not in one.columns],
        [column for column in one.columns if column not in other.columns],
        changes[:limit],
    )


def _rows_by_id(session: Session, version: DatasetPublic) -> dict[str, CaseRow]:
    return {case.case_id: as_row(case) for case in iter_cases(session, version.version_id)}


def as_row(case: CasePublic) -> CaseRow:
    """A stored case as it was pushed."""
    split: Any = case.split
    return CaseRow(case.case_id, case.inputs, case.expected, case.tags, split)


def export_dataset(
    session: Session, name: str, ref: str | int, format: ExportFormat, out: BinaryIO
) -> int:
    """Write a version so that a push reads the same content back; returns the number of cases."""
    version = get(session, name, ref)
    rows = (as_row(case) for case in iter_cases(session, version.version_id))
    return write_rows(format, case_columns(version.columns), case_rows(rows, format), out)
