"""Labels of a file into a run: all of them or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import insert
from sqlmodel import Session

from core.audit import actor_of, record
from core.clock import utcnow
from core.errors import Invalid
from evalsets.labels.exporting import newest_labels
from evalsets.labels.lines import LabelLine, Place, PreferenceLine
from evalsets.labels.preferences import PreferenceKey, newest_preferences
from evalsets.labels.service import (
    LabelContent,
    annotator_of,
    checked_annotator,
    content_of,
    hold_annotators,
    mark_done,
)
from evalsets.models import Label, Preference
from evalsets.runs.cells import RunCell, RunCells, load_cells


@dataclass(frozen=True)
class Imported:
    """What a file brought.

    `unchanged` lines said what was known already. `contradicting` ones replaced a line before
    them: the same annotator on the same output, which equal outputs of two arms share.
    """

    labels: int
    preferences: int
    unchanged: int
    contradicting: int


def import_labels(
    session: Session,
    run_id: str,
    lines: Sequence[LabelLine | PreferenceLine],
    annotator: str | None = None,
) -> Imported:
    """Take the lines of a file (`label_lines.read_label_lines`).

    `annotator` stands for every line, whomever the file names; without it a line that names
    nobody is the actor's. Raises Invalid with the line of an unknown or unanswered cell; the
    caller's transaction then takes nothing.
    """
    given = None if annotator is None else checked_annotator(annotator)
    named = [
        replace(line, annotator=given or line.annotator or annotator_of(session)) for line in lines
    ]
    cells = _Finder(load_cells(session, run_id))
    hold_annotators(session, {str(line.annotator) for line in named})
    labels = [line for line in named if isinstance(line, LabelLine)]
    preferences = [line for line in named if isinstance(line, PreferenceLine)]
    rows = _label_rows(session, cells, labels)
    pairs = _preference_rows(session, cells, preferences)
    if rows:
        session.execute(insert(Label), rows)
        mark_done(session, [str(row["item_key"]) for row in rows])
    if pairs:
        session.execute(insert(Preference), pairs)
    found = Imported(
        labels=len(rows),
        preferences=len(pairs),
        unchanged=len(named) - len(rows) - len(pairs),
        contradicting=len(rows) - len({(row["item_key"], row["annotator"]) for row in rows}),
    )
    record(
        session,
        "label.import",
        run_id,
        {"labels": found.labels, "preferences": found.preferences, "unchanged": found.unchanged},
    )
    return found


def _label_rows(
    session: Session, cells: "_Finder", lines: Sequence[LabelLine]
) -> list[dict[str, object]]:
    known = {key: content_of(row) for key, row in newest_labels(session, cells.run_id).items()}
    rows: list[dict[str, object]] = []
    for line in lines:
        cell = cells.find(line.line, line.where)
        key = (str(cell.item_key), str(line.annotator))
        if known.get(key) != line.content:
            known[key] = line.content
            rows.append(_label_row(session, cells.run_id, cell, line))
    return rows


def _label_row(session: Session, run_id: str, cell: RunCell, line: LabelLine) -> dict[str, object]:
    content: LabelContent = line.content
    return {
        "item_key": cell.item_key,
        "annotator": line.annotator,
        "label": content.label,
        "reasons": list(content.reasons),
        "correction": content.correction,
        "comment": content.comment,
        "adjudicated": content.adjudicated,
        "source": "import",
        "run_id": run_id,
        "cell": cell.number,
        "actor": actor_of(session),
        "at": line.at or utcnow(),
    }


def _preference_rows(
    session: Session, cells: "_Finder", lines: Sequence[PreferenceLine]
) -> list[dict[str, object]]:
    known = newest_preferences(session, cells.run_id) if lines else {}
    said = {key: (row.cell_a, row.preference) for key, row in known.items()}
    rows: list[dict[str, object]] = []
    for line in lines:
        a, b = cells.find(line.line, line.a), cells.find(line.line, line.b)
        low, high = sorted((a.number, b.number))
        key = PreferenceKey(low, high, str(line.annotator))
        if said.get(key) == (a.number, line.preference):
            continue
        said[key] = (a.number, line.preference)
        rows.append(
            {
                "run_id": cells.run_id,
                "cell_a": a.number,
                "cell_b": b.number,
                "annotator": line.annotator,
                "preference": line.preference,
                "source": "import",
                "actor": actor_of(session),
                "at": line.at or utcnow(),
            }
        )
    return rows


class _Finder:
    """The cell that a line means."""

    def __init__(self, cells: RunCells) -> None:
        self.run_id = cells.run.id
        self._arms = cells.arms
        self._one_repeat = cells.run.repeats == 1
        self._numbers = {row.number: row for row in cells.rows}
        self._places = {
            Place(cells.arms[row.arm], row.case_id, row.repeat): row for row in cells.rows
        }

    def find(self, line: int, where: int | Place) -> RunCell:
        """Raises Invalid with the line where there is no such cell, or no output in it."""
        row = self._numbers.get(where) if isinstance(where, int) else self._at(line, where)
        if row is None:
            raise Invalid(
                f"line {line}: {self._unknown(where)} `promptstone run export` lists the cells."
            )
        if row.state != "succeeded" or row.item_key is None:
            raise Invalid(
                f"line {line}: cell {row.number} has no output to label ({row.state}). Remove the "
                "line, or retry the cell first."
            )
        return row

    def _at(self, line: int, place: Place) -> RunCell | None:
        if place.arm not in self._arms:
            known = "; ".join(map(repr, self._arms))
            raise Invalid(f"line {line}: the run has no arm {place.arm!r}. Choose one of {known}.")
        if place.repeat is None and not self._one_repeat:
            raise Invalid(f'line {line}: the run has repeats. Say which with "repeat".')
        return self._places.get(place._replace(repeat=place.repeat or 1))

    def _unknown(self, where: int | Place) -> str:
        if isinstance(where, int):
            return f"the run has no cell {where}."
        repeat = "" if where.repeat is None else f" with repeat {where.repeat}"
        return f"the run has no case {where.case_id!r}{repeat} in this arm."
