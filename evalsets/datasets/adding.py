"""Cases that come from elsewhere, such as runs and published apps, joined to a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlmodel import Session

from core.canonical import Json
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.datasets.edits import add_case, load_cases, typed_cases
from evalsets.datasets.service import DatasetPublic, get
from evalsets.files.cases import RECOGNIZED, ParsedCases
from evalsets.files.export import case_rows
from evalsets.identity import inputs_hash

_TRIES = 5


@dataclass(frozen=True)
class NewCase:
    """A case to join a data set; `case_id` is kept unless it is taken."""

    inputs: Mapping[str, Json]
    expected: str | None = None
    tags: tuple[str, ...] = ()
    split: str | None = None
    case_id: str | None = None


class Joined(NamedTuple):
    """All cases of the next version: how many of them are new, and how many known ones changed."""

    cases: ParsedCases
    new: int
    changed: int


class Added(NamedTuple):
    """The version that holds what was added."""

    version: DatasetPublic
    new: int
    changed: int


class Standing(NamedTuple):
    """What a data set holds before something is added; nothing where there is none."""

    version: int | None
    cases: ParsedCases | None


def standing(session: Session, name: str) -> Standing:
    """The newest version of a data set, if it exists."""
    try:
        newest = get(session, name)
    except NotFound:
        return Standing(None, None)
    return Standing(newest.version, load_cases(session, name, newest.version))


def joined(known: ParsedCases | None, additions: Sequence[NewCase]) -> Joined:
    """`known` and more. Equal inputs are one case: it gets the new expected output, and all tags.

    Pure; raises Invalid for what no data set can hold.
    """
    rows: list[dict[str, Any]] = [] if known is None else list(case_rows(known.cases, "jsonl"))
    places = {inputs_hash(case.inputs): n for n, case in enumerate(known.cases if known else [])}
    ids = {row["id"] for row in rows}
    before = len(rows)
    changed: set[int] = set()
    for case in additions:
        place = places.setdefault(_hash(case.inputs), len(rows))
        if place == len(rows):
            rows.append(_row(case, ids))
        elif _update(rows[place], case) and place < before:
            changed.add(place)
    return Joined(typed_cases(rows), len(rows) - before, len(changed))


def _hash(inputs: Mapping[str, Json]) -> str:
    clash = next((name for name in inputs if name in RECOGNIZED), None)
    if clash is not None:
        raise Invalid(
            f"An input is called {clash!r}, which is a column of its own in a data set. Rename the "
            "prompt's variable."
        )
    try:
        return inputs_hash(inputs)
    except ValueError:
        raise Invalid("An input holds a number that JSON does not know. Correct it.") from None


def _row(case: NewCase, ids: set[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {**case.inputs, "expected": case.expected, "tags": list(case.tags)}
    row["split"] = case.split
    if case.case_id is not None and case.case_id not in ids:
        row["id"] = case.case_id
        ids.add(case.case_id)
    return row


def _update(row: dict[str, Any], case: NewCase) -> bool:
    """Give a known case what the new one says; whether that changed it."""
    tags = list(dict.fromkeys([*(row["tags"] or []), *case.tags]))
    expected = row["expected"] if case.expected is None else case.expected
    same = (tags, expected) == (row["tags"], row["expected"])
    row["tags"], row["expected"] = tags, expected
    return not same


class Prepared(NamedTuple):
    """A version ready to be stored: read, checked and hashed with no transaction open."""

    name: str
    based_on: int | None
    joined: Joined


def prepare(database: Database, name: str, additions: Sequence[NewCase]) -> Prepared:
    """Join the cases to what the data set holds now; raises Invalid."""
    if not additions:
        raise Invalid("There is no case to add. Choose others.")
    with database.read_scope() as session:
        before = standing(session, name)
    made = joined(before.cases, additions)
    _ = made.cases.hash
    return Prepared(name, before.version, made)


def store(session: Session, ready: Prepared, message: str = "") -> Added:
    """Push what was prepared; raises Conflict when the data set has moved on since."""
    pushed = add_case(
        session, ready.name, ready.joined.cases, based_on=ready.based_on, message=message
    )
    return Added(pushed.version, ready.joined.new, ready.joined.changed)


def add_cases(
    database: Database, actor: str, name: str, additions: Sequence[NewCase], message: str = ""
) -> Added:
    """Add cases as the next version; prepared anew when somebody else was faster."""
    for turn in range(_TRIES):
        ready = prepare(database, name, additions)
        try:
            with database.session_scope(actor) as session:
                return store(session, ready, message)
        except Conflict:
            if turn == _TRIES - 1:
                raise
    raise AssertionError
