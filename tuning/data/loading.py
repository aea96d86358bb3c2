"""The rows of a data set's version for a training: the one way from cases to the trainer's file."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
from sqlmodel import Session

from core.database import Database
from core.errors import Invalid
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import CasePublic, iter_cases
from tuning.data.candidates import HELD_OUT, TRAIN, Candidate
from tuning.data.held_out import HeldOut, held_out
from tuning.data.leaks import Leak, without_leaks
from tuning.data.reading import Unread, read_row
from tuning.data.rows import Row, as_trl, is_empty
from tuning.data.texts import asked_text
from tuning.methods import RowKind

MOST_BAD = 0.1
"""With more of them bad a file is of another format than it seems: nobody may skip that."""
_NAMED = 3


class NamedRow(NamedTuple):
    """A row and the case that it is."""

    case_id: str
    row: Row


class BadRow(NamedTuple):
    """Why a case is no row; `line` counts from 1 over the cases of a version, or is a file's."""

    line: int
    case_id: str
    reason: str

    def __str__(self) -> str:
        case = f" (case {self.case_id})" if self.case_id else ""
        return f"line {self.line}{case}: {self.reason}"


class Loaded(NamedTuple):
    """`training` are the rows to learn from, `evaluation` those of the splits dev, test, holdout.

    `hash` is the version's own.
    """

    dataset: str
    version: int
    hash: str
    kind: RowKind
    training: tuple[NamedRow, ...]
    evaluation: tuple[NamedRow, ...]
    bad: tuple[BadRow, ...]

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.dataset}@{self.version}"


def load_rows(
    session: Session, name: str, ref: str | int, kind: RowKind, *, skip_bad: bool = False
) -> Loaded:
    """All rows of a version that are of `kind`.

    Raises NotFound, and Invalid that names the first bad rows; `skip_bad` is a person's word to go
    on without them, as far as `MOST_BAD` of all.
    """
    version = datasets.get(session, name, ref)
    cases = list(iter_cases(session, version.version_id))
    sorted_out = sort_rows(cases, kind)
    loaded = Loaded(version.name, version.version, version.hash, kind, *sorted_out)
    refuse_bad(loaded.ref, kind, loaded.bad, len(cases), skip_bad=skip_bad)
    return loaded


def refuse_bad(what: str, kind: RowKind, bad: Sequence[BadRow], of: int, *, skip_bad: bool) -> None:
    """Raise Invalid that names the first bad rows, unless a person skips so few of them."""
    if not bad or (skip_bad and len(bad) <= MOST_BAD * of):
        return
    first = "; ".join(str(one) for one in bad[:_NAMED])
    said = f"{what} has {len(bad)} bad rows of {of}: {first}."
    if len(bad) > MOST_BAD * of:
        raise Invalid(
            f"{said} More than {MOST_BAD:.0%} cannot be skipped: give rows for {kind}, or make "
            "them with `promptstone dataset training`.",
            param="data",
        )
    raise Invalid(f"{said} Correct them, or go on without them with --skip-bad.", param="data")


class Sorted(NamedTuple):
    """Cases as rows, and those that are none."""

    training: tuple[NamedRow, ...]
    evaluation: tuple[NamedRow, ...]
    bad: tuple[BadRow, ...]


def sort_rows(cases: Sequence[CasePublic], kind: RowKind) -> Sorted:
    """Pure: the parts that cases belong to by their split."""
    training: list[NamedRow] = []
    evaluation: list[NamedRow] = []
    bad: list[BadRow] = []
    for line, case in enumerate(cases, 1):
        row = read_row(case.inputs, case.expected)
        reason = row.reason if isinstance(row, Unread) else _unfit(row, kind)
        if reason or isinstance(row, Unread):
            bad.append(BadRow(line, case.case_id, reason))
        else:
            part = evaluation if case.split in HELD_OUT else training
            part.append(NamedRow(case.case_id, row))
    return Sorted(tuple(training), tuple(evaluation), tuple(bad))


def _unfit(row: Row, kind: RowKind) -> str:
    if row.kind != kind:
        return f"it is a row for {row.kind}, not for {kind}"
    return "its question or its answer is empty" if is_empty(row) else ""


def check_no_leaks(database: Database, loaded: Loaded, judge: Loaded | None = None) -> None:
    """Raise Invalid, naming rows and cases, where training rows give away held-out cases.

    `judge` is another data set that the training is evaluated on: all of its rows are held out.
    """
    leaks = find_leaks(database, loaded, judge)
    if leaks:
        first = "; ".join(str(leak) for leak in leaks[:_NAMED])
        raise Invalid(
            f"{len(leaks)} training rows of {loaded.ref} give away cases that are held out: "
            f"{first}. Make a data set without them: `promptstone dataset training NEW "
            f"--from-data {loaded.ref} --as {loaded.kind}`{', or judge by others' * bool(judge)}.",
            param="data",
        )


def find_leaks(database: Database, loaded: Loaded, judge: Loaded | None = None) -> list[Leak]:
    """Training rows that equal or nearly equal a held-out case of any data set."""
    with database.read_scope() as session:
        version = datasets.get(session, loaded.dataset, loaded.version)
        cases = held_out(session, version.version_id)
    if judge is not None:
        judged = (*judge.training, *judge.evaluation)
        cases += [HeldOut(judge.ref, id_, "evaluation", asked_text(row)) for id_, row in judged]
    rows = [Candidate(one.row, f"row {one.case_id}", (), TRAIN) for one in loaded.training]
    return without_leaks(rows, cases).leaks


def write_rows(path: Path, rows: Iterable[Row]) -> str:
    """Write rows as JSON Lines as the trainer reads them, whole or not at all; the sha256 hex."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as part:
        try:
            for row in rows:
                line = orjson.dumps(as_trl(row), option=orjson.OPT_APPEND_NEWLINE)
                digest.update(line)
                part.write(line)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """The rename itself is on the disk only with its folder."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
