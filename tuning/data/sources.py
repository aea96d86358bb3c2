"""Rows from files and data sets in any format, as rows of the kind that is asked."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session

from evalsets.datasets import service as datasets
from evalsets.datasets.cases import as_row, iter_cases
from evalsets.files.cases import CaseRow
from evalsets.files.reading import ReadOptions, read_apart
from tuning.data.candidates import TRAIN, Candidate
from tuning.data.loading import BadRow
from tuning.data.reading import Unread, read_row
from tuning.data.rows import ThumbRow, as_kind
from tuning.methods import RowKind


class Source(NamedTuple):
    """Rows of `name`, and the `bad` among its `total` lines; `unused` are good ones of no use.

    A thumb down is no answer to learn.
    """

    name: str
    rows: list[Candidate]
    bad: list[BadRow]
    total: int
    unused: int = 0


def file_rows(path: Path, kind: RowKind, options: ReadOptions | None = None) -> Source:
    """Rows of a file; every line that is none is named. Raises Invalid, TooLarge."""
    found = read_apart(path, options)
    unreadable = [BadRow(line, "", reason) for line, reason in found.problems]
    made = _rows(path.name, found.parsed.cases, kind, f"file:{path.name}"[:128])
    bad = sorted([*unreadable, *made.bad])
    return made._replace(bad=bad, total=made.total + len(unreadable))


def dataset_rows(session: Session, name: str, ref: str | int, kind: RowKind) -> Source:
    """Rows of a version; raises NotFound."""
    version = datasets.get(session, name, ref)
    cases = [as_row(case) for case in iter_cases(session, version.version_id)]
    return _rows(version.ref, cases, kind, f"data:{version.ref}"[:128])


def _rows(name: str, cases: Iterable[CaseRow], kind: RowKind, tag: str) -> Source:
    rows: list[Candidate] = []
    bad: list[BadRow] = []
    line = total = unused = 0
    for case in cases:
        total, line = total + 1, case.line or total + 1
        row = read_row(case.inputs, case.expected)
        if isinstance(row, Unread):
            bad.append(BadRow(line, case.case_id, row.reason))
            continue
        made = as_kind(row, kind)
        unused += not made and isinstance(row, ThumbRow) and kind == "sft"
        if not made and not (isinstance(row, ThumbRow) and kind == "sft"):
            bad.append(BadRow(line, case.case_id, f"it is a row for {row.kind}, not for {kind}"))
        tags = tuple(dict.fromkeys([*case.tags, tag]))
        split = case.split or TRAIN
        rows += [Candidate(one, f"line {line} of {name}", tags, split) for one in made]
    return Source(name, rows, bad, total, unused)
