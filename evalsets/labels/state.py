"""The labels that count for the outputs of a run, and the one label each cell has by them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Select
from sqlmodel import Session, col, select

from core.canonical import sha256_text
from evalsets.models import Cell, Label
from evalsets.statistics.cells import State
from evalsets.statistics.votes import Vote, cell_label

_AT_ONCE = 1_000  # databases limit the values of one statement


class _Press(NamedTuple):
    id: int
    item_key: str
    annotator: str
    label: str | None
    adjudicated: bool
    source: str


@dataclass(frozen=True)
class LabelState:
    """The labels that count for a run: item → its newest votes, one an annotator."""

    votes: Mapping[str, Sequence[_Press]]

    def state(self, item_key: str | None) -> State:
        """The one label of an item."""
        votes = self.votes.get(item_key or "", ())
        if len(votes) == 1:  # nearly always, and 20,000 times in a large run
            return State(votes[0].label)
        return cell_label([Vote(one.annotator, one.label, one.adjudicated) for one in votes])

    def states(self) -> dict[str, State]:
        """The one label of every item that has a vote."""
        return {item: self.state(item) for item in self.votes}

    @property
    def count(self) -> int:
        """Labels, of all annotators."""
        return sum(map(len, self.votes.values()))

    @property
    def picked(self) -> int:
        """Labels given in the browser outside a queue."""
        return sum(one.source == "picked" for votes in self.votes.values() for one in votes)

    @property
    def annotators(self) -> list[str]:
        """Everybody with a label that counts, by name."""
        return sorted({one.annotator for votes in self.votes.values() for one in votes})

    @property
    def hash(self) -> str:
        """64 hex digits that change whenever a label that counts does."""
        lines = sorted(
            f"{item} {one.label} {one.adjudicated} {one.annotator}"
            for item, votes in self.votes.items()
            for one in votes
        )
        return sha256_text("\n".join(lines))


def label_state(session: Session, run_id: str) -> LabelState:
    """The counting labels of every output of a run, whichever run they were given in."""
    items = select(Cell.item_key).where(Cell.run_id == run_id, Cell.state == "succeeded")
    return _state(session, _presses().where(col(Label.item_key).in_(items)))


def states_of_runs(session: Session, run_ids: Collection[str]) -> dict[str, State]:
    """The one label of every labeled output of these runs, in one query."""
    items = select(Cell.item_key).where(col(Cell.run_id).in_(run_ids), Cell.state == "succeeded")
    return _state(session, _presses().where(col(Label.item_key).in_(items))).states()


def _presses() -> Select[tuple[int | None, str, str, str | None, bool, str]]:
    return select(  # pyright: ignore[reportReturnType, reportCallIssue]
        Label.id, Label.item_key, Label.annotator, Label.label, Label.adjudicated, Label.source
    ).order_by(col(Label.id))


def _state(
    session: Session, query: Select[tuple[int | None, str, str, str | None, bool, str]]
) -> LabelState:
    newest: dict[tuple[str, str], _Press] = {}
    for row in session.connection().execute(query):
        press = _Press(*row)
        key = (press.item_key, press.annotator)
        newest.pop(key, None)  # an adjudication later than another's must come later
        newest[key] = press
    votes: dict[str, list[_Press]] = {}
    for press in newest.values():
        if press.label is not None:
            votes.setdefault(press.item_key, []).append(press)
    return LabelState(votes)


@dataclass(frozen=True)
class CellLabel:
    """The label of a cell for a page or an export.

    `reasons` of the annotators who said what the label says, `correction` and `comment` the
    newest there are, `annotators` those with a label that counts.
    """

    state: State
    reasons: tuple[str, ...] = ()
    correction: str | None = None
    comment: str | None = None
    annotators: tuple[str, ...] = ()

    @property
    def label(self) -> str | None:
        """good, bad or skip as exports write it; None where the cell has no label or a dispute."""
        return self.state.value if self.state in (State.GOOD, State.BAD, State.SKIP) else None


def cells_labels(session: Session, run_id: str, numbers: Sequence[int]) -> dict[int, CellLabel]:
    """Labels of some cells, by number: a page of 50 or a whole export."""
    found: dict[int, CellLabel] = {}
    for start in range(0, len(numbers), _AT_ONCE):
        found.update(_labels(session, run_id, numbers[start : start + _AT_ONCE]))
    return found


def _labels(session: Session, run_id: str, numbers: Sequence[int]) -> dict[int, CellLabel]:
    query = select(Cell.number, Cell.state, Cell.item_key).where(
        Cell.run_id == run_id, col(Cell.number).in_(numbers)
    )
    cells = session.connection().execute(query.order_by(col(Cell.number))).all()
    keys = {key for _, state, key in cells if state == "succeeded" and key}
    state = _state(session, _presses().where(col(Label.item_key).in_(keys)))
    texts = _texts(session, state)
    return {
        number: CellLabel(State.FAILED)
        if status == "failed"
        else _cell_label(state, key, texts)
        if key in state.votes
        else CellLabel(State.UNLABELED)
        for number, status, key in cells
    }


class _Texts(NamedTuple):
    reasons: list[str]
    correction: str | None
    comment: str | None


def _texts(session: Session, state: LabelState) -> dict[int, _Texts]:
    ids = [one.id for votes in state.votes.values() for one in votes]
    query = select(Label.id, Label.reasons, Label.correction, Label.comment)
    found = session.execute(query.where(col(Label.id).in_(ids)))
    return {id_: _Texts(*rest) for id_, *rest in found}


def _cell_label(state: LabelState, item_key: str, texts: Mapping[int, _Texts]) -> CellLabel:
    votes, said = state.votes[item_key], state.state(item_key)
    agreed = [texts[one.id] for one in votes if one.label == said.value]
    everyone = [texts[one.id] for one in sorted(votes, key=lambda one: one.id, reverse=True)]
    return CellLabel(
        state=said,
        reasons=tuple(dict.fromkeys(reason for one in agreed for reason in one.reasons)),
        correction=next((one.correction for one in everyone if one.correction), None),
        comment=next((one.comment for one in everyone if one.comment), None),
        annotators=tuple(one.annotator for one in votes),
    )
