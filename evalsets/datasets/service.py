"""Data sets in the database: named, versioned lists of cases that never change.

Files are read with `files.py`, grids made with `grid.py`, tables checked with
`dataset_edits.typed_cases`,
all of them before the transaction; so is `ParsedCases.hash`, which is computed once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, func, insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core import drafts
from core.audit import actor_of
from core.clock import utcnow
from core.errors import Invalid, NotFound
from core.names import check_name
from evalsets.files.cases import CaseRow, ParsedCases
from evalsets.identity import inputs_hash
from evalsets.models import Case, Dataset, DatasetVersion

_BATCH = 1_000


class DatasetPublic(NamedTuple):
    """One version with what belongs to its data set; `cases` is their number."""

    name: str
    version: int
    newest: int
    version_id: int
    hash: str
    cases: int
    columns: tuple[str, ...]
    description: str
    source: str
    message: str
    author: str
    created_at: datetime

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class DatasetPushed(NamedTuple):
    """The version a push ended at, and whether it is a new one."""

    version: DatasetPublic
    created: bool


class DatasetSummary(NamedTuple):
    """One row of the catalogue; `cases` are those of the newest version."""

    name: str
    newest: int
    cases: int
    columns: tuple[str, ...]
    description: str
    author: str
    updated_at: datetime


def push(
    session: Session,
    name: str,
    parsed: ParsedCases,
    *,
    message: str = "",
    source: str = "",
    imported: bool = False,
) -> DatasetPushed:
    """Make a whole new version, or none if the newest one has these cases already.

    `source` says where they come from, such as a file name; `imported` hides the data set in
    lists.
    """
    if not parsed.cases:
        raise Invalid("A data set needs at least one case. Add one.")
    dataset = _locked_or_new(session, name, imported)
    dataset.imported = dataset.imported and imported
    if dataset.newest and (same := _version(session, dataset, dataset.newest)).hash == parsed.hash:
        return DatasetPushed(_public(dataset, same), created=False)
    dataset.newest += 1
    dataset.updated_at = utcnow()
    version = DatasetVersion(
        dataset_id=dataset.id or 0,
        number=dataset.newest,
        hash=parsed.hash,
        cases=len(parsed.cases),
        columns=parsed.columns,
        source=source,
        message=message,
        actor=actor_of(session),
    )
    session.add_all([dataset, version])
    session.flush()
    _insert(session, version.id or 0, parsed.cases)
    if not imported:
        drafts.touch(session, "dataset", dataset.name, dataset.name)
    return DatasetPushed(_public(dataset, version), created=True)


def _insert(session: Session, version_id: int, cases: Sequence[CaseRow]) -> None:
    for start in range(0, len(cases), _BATCH):
        rows = [
            {
                "version_id": version_id,
                "position": position,
                "case_id": case.case_id,
                "inputs": case.inputs,
                "inputs_hash": inputs_hash(case.inputs),
                "expected": case.expected,
                "tags": case.tags,
                "split": case.split,
            }
            for position, case in enumerate(cases[start : start + _BATCH], start)
        ]
        session.execute(insert(Case), rows)


def _locked_or_new(session: Session, name: str, imported: bool) -> Dataset:
    name = check_name(name, "data set")
    query = select(Dataset).where(Dataset.name == name).with_for_update()
    found = session.exec(query).first()
    if found is not None:
        return found
    fresh = Dataset(name=name, imported=imported, actor=actor_of(session))
    try:
        with session.begin_nested():
            session.add(fresh)
            session.flush()
    except IntegrityError:  # another process made it between the look and the insert
        return session.exec(query).one()
    return fresh


def get(session: Session, name: str, ref: str | int = "latest") -> DatasetPublic:
    """The version that a number or `latest` means now; raises NotFound."""
    dataset = need_dataset(session, name)
    return _public(dataset, _version(session, dataset, ref))


def need_dataset(session: Session, name: str) -> Dataset:
    """The data set called `name`, or NotFound."""
    query = select(Dataset).where(Dataset.name == check_name(name, "data set"))
    found = session.exec(query).first()
    if found is None:
        raise NotFound(
            f"There is no data set {name!r}. `promptstone dataset list` shows those there are.",
            param="dataset",
        )
    return found


def _version(session: Session, dataset: Dataset, ref: str | int) -> DatasetVersion:
    number = dataset.newest if str(ref) == "latest" else str(ref)
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id)
    known = str(number).isdecimal() and len(str(number)) < 10
    found = (
        session.exec(query.where(DatasetVersion.number == int(number))).first() if known else None
    )
    if found is None:
        raise NotFound(
            f"{dataset.name} has no version {str(ref)[:20]!r}. Use 1 to {dataset.newest}.",
            param="dataset",
        )
    return found


def _public(dataset: Dataset, version: DatasetVersion) -> DatasetPublic:
    return DatasetPublic(
        name=dataset.name,
        version=version.number,
        newest=dataset.newest,
        version_id=version.id or 0,
        hash=version.hash,
        cases=version.cases,
        columns=tuple(version.columns),
        description=dataset.description,
        source=version.source,
        message=version.message,
        author=version.actor,
        created_at=version.created_at,
    )


def history(session: Session, name: str) -> list[DatasetPublic]:
    """All versions, newest first."""
    dataset = need_dataset(session, name)
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id)
    found = session.exec(query.order_by(col(DatasetVersion.number).desc()))
    return [_public(dataset, version) for version in found]


def list_datasets(
    session: Session,
    *,
    search: str | None = None,
    after: str | None = None,
    limit: int = 50,
    imported: bool = False,
) -> list[DatasetSummary]:
    """By name, from after the name `after`; those made by `run import` only if `imported`."""
    newest = and_(
        col(DatasetVersion.dataset_id) == Dataset.id, col(DatasetVersion.number) == Dataset.newest
    )
    query = select(Dataset, DatasetVersion).join(DatasetVersion, newest).order_by(Dataset.name)
    if not imported:
        query = query.where(col(Dataset.imported).is_(False))
    if search:
        query = query.where(func.lower(Dataset.name).contains(search.lower(), autoescape=True))
    if after is not None:
        query = query.where(Dataset.name > after)
    return [
        DatasetSummary(
            dataset.name,
            dataset.newest,
            version.cases,
            tuple(version.columns),
            dataset.description,
            dataset.actor,
            dataset.updated_at,
        )
        for dataset, version in session.exec(query.limit(limit))
    ]


def describe(session: Session, name: str, description: str) -> None:
    """Set the description, which belongs to the data set and not to a version."""
    dataset = need_dataset(session, name)
    dataset.description = description
    session.add(dataset)
    session.flush()
