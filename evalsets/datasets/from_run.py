"""Cases from the labeled cells of a run: what was good, or was corrected, is what is expected."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from core.canonical import canonical_json
from core.errors import Invalid
from evalsets.datasets.adding import NewCase
from evalsets.identity import inputs_hash
from evalsets.labels.state import CellLabel, cells_labels
from evalsets.models import Answer, Case, Cell
from evalsets.runs.cells import get_run

_AT_ONCE = 500
LABELS = ("good", "bad")


class _Found(NamedTuple):
    """A case of a cell, and how much its expected output is worth."""

    case: NewCase
    worth: int


def run_cases(session: Session, run_id: str, label: str | None = None) -> list[NewCase]:
    """A case for each labeled case of a run, in its order; raises NotFound, Invalid.

    `good`: expected is the correction or the good output. `bad`: the correction, or what the case
    expected. Without a label: every case with a good or corrected output. Of several cells of a
    case a corrected one counts most, then the first.
    """
    if label is not None and label not in LABELS:
        raise Invalid(f"There is no label {label[:40]!r}. Use good or bad.", param="label")
    get_run(session, run_id)
    found: dict[str, _Found] = {}
    after = -1
    while True:
        query = (
            select(Cell.number, Case, Answer.output, Answer.tool_calls)
            .join(Case, col(Case.id) == Cell.case_ref)
            .join(Answer, col(Answer.id) == Cell.answer_id)
            .where(Cell.run_id == run_id, Cell.state == "succeeded", col(Cell.number) > after)
            .order_by(col(Cell.number))
            .limit(_AT_ONCE)
        )
        rows = session.exec(query).all()
        labels = cells_labels(session, run_id, [row[0] for row in rows])
        for number, case, output, tool_calls in rows:
            text = output or (canonical_json(tool_calls) if tool_calls else "")
            one = _case(case, text, labels[number], label)
            key = inputs_hash(case.inputs)
            if one is not None and (key not in found or found[key].worth < one.worth):
                found[key] = one
        if len(rows) < _AT_ONCE:
            break
        after = rows[-1][0]
    if not found:
        raise Invalid(
            f"The run {run_id} has no output that is {_wanted(label)}. Label some first.",
            param="label",
        )
    return [one.case for one in found.values()]


def _wanted(label: str | None) -> str:
    return "good or corrected" if label is None else f"labeled {label}"


def _case(case: Case, output: str, said: CellLabel, wanted: str | None) -> _Found | None:
    if said.label is None or (wanted is not None and said.label != wanted):
        return None
    if said.correction is None and wanted is None and said.label != "good":
        return None
    good = output if said.label == "good" else case.expected
    expected = good if said.correction is None else said.correction
    made = NewCase(case.inputs, expected, tuple(case.tags), case.split, case.case_id)
    return _Found(made, 1 if said.correction else 0)
