"""Labels of a run as JSON Lines: a line for every label that counts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlmodel import Session, col, select

from evalsets.labels.preferences import newest_preferences
from evalsets.models import Cell, Label, Preference
from evalsets.runs.cells import RunCell, load_cells


class _Seen(NamedTuple):
    item_key: str
    annotator: str


def newest_labels(session: Session, run_id: str) -> dict[tuple[str, str], Label]:
    """(item, annotator) → the newest row, for every output of a run."""
    items = select(Cell.item_key).where(Cell.run_id == run_id, Cell.state == "succeeded")
    query = select(Label).where(col(Label.item_key).in_(items)).order_by(col(Label.id))
    return {_Seen(row.item_key, row.annotator): row for row in session.exec(query)}


def export_labels(session: Session, run_id: str) -> Iterator[str]:
    """A line of JSON for every label that counts for the run, then one for every preference.

    A label given in another run is written with the first cell of this one that holds its output.
    """
    cells = load_cells(session, run_id)
    rows = {row.number: row for row in cells.rows}
    first: dict[str, int] = {}
    for row in cells.answered():
        first.setdefault(str(row.item_key), row.number)
    lines: list[tuple[int, str, str]] = []
    for (item, annotator), label in newest_labels(session, run_id).items():
        if label.label is not None:
            here = label.run_id == run_id and rows[label.cell].item_key == item
            cell = label.cell if here else first[item]
            lines.append((cell, annotator, _label_json(cell, label)))
    yield from (text for _, _, text in sorted(lines))
    for row in sorted(newest_preferences(session, run_id).values(), key=lambda row: row.id or 0):
        yield _preference_json(cells.arms, rows, row)


def _label_json(cell: int, row: Label) -> str:
    found: dict[str, object] = {
        "cell": cell,
        "annotator": row.annotator,
        "label": row.label,
        "reasons": row.reasons,
        "correction": row.correction,
        "comment": row.comment,
        "at": row.at.isoformat(),
    }
    if row.adjudicated:
        found["adjudicated"] = True
    return _one_line(found)


def _preference_json(arms: Sequence[str], rows: Mapping[int, RunCell], row: Preference) -> str:
    a, b = rows[row.cell_a], rows[row.cell_b]
    found = {
        "arm_a": arms[a.arm],
        "arm_b": arms[b.arm],
        "case_id": a.case_id,
        "repeat": a.repeat,
        "annotator": row.annotator,
        "preference": row.preference,
        "at": row.at.isoformat(),
    }
    return _one_line(found)


def _one_line(value: dict[str, object]) -> str:
    """JSON that every reader takes for one line: many split at Unicode's line ends too."""
    text = json.dumps(value, ensure_ascii=False)
    for end in "\x85\u2028\u2029":
        text = text.replace(end, f"\\u{ord(end):04x}")
    return text
