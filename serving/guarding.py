"""Guards applied in their order: to a text, or to every text within what a client sent. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from core.canonical import Json
from serving.guards import Guard, SchemaGuard, Where


class Note(NamedTuple):
    """A guard that found something: its kind, its action, and the names of its findings."""

    kind: str
    action: str
    findings: tuple[str, ...]


class Guarded(NamedTuple):
    """A text after its guards; `blocked` is the first that refuses it."""

    text: str
    blocked: Guard | None
    notes: tuple[Note, ...]


class GuardedValue(NamedTuple):
    """A JSON value after its guards."""

    value: Json
    blocked: Guard | None
    notes: tuple[Note, ...]


def apply(guards: Sequence[Guard], where: Where, text: str) -> Guarded:
    """Every guard of `where` on what the one before left; nothing is looked at after a block."""
    notes: list[Note] = []
    for guard in guards:
        if guard.where != where or isinstance(guard, SchemaGuard):
            continue
        found = guard.find(text)
        if not found.findings:
            continue
        notes.append(Note(guard.kind, guard.action, found.findings))
        if guard.action == "note":
            continue
        text = found.text
        if guard.action == "block":
            return Guarded(text, guard, tuple(notes))
    return Guarded(text, None, tuple(notes))


def apply_to_values(guards: Sequence[Guard], value: Json) -> GuardedValue:
    """The guards before the model on every text of a value, keys aside; a block ends it."""
    notes: list[Note] = []
    blocked: Guard | None = None

    def walked(one: Json) -> Json:
        nonlocal blocked
        if isinstance(one, str):
            if blocked is not None:
                return one
            checked = apply(guards, "before", one)
            notes.extend(checked.notes)
            blocked = checked.blocked
            return checked.text
        if isinstance(one, Mapping):
            return {key: walked(inner) for key, inner in one.items()}
        if isinstance(one, list | tuple):
            return [walked(inner) for inner in cast(Sequence[Json], one)]
        return one

    made = walked(value)
    return GuardedValue(made, blocked, tuple(dict.fromkeys(notes)))


def schema_problem(text: str, schema: Mapping[str, Json]) -> str | None:
    """Why an answer does not fit the output schema, as a sentence; null if it fits.

    A schema can make it think for a second: never call it on the event loop.
    """
    # It brings jsonschema: megabytes that a process without schemas never needs.
    from evalsets.evaluators.schema_check import violation

    try:
        found = violation(text, schema)
    except (TimeoutError, ValueError) as error:
        return f"It could not be checked: {error}."
    return None if found is None else f"It is {found}."


def holds_back(guards: Sequence[Guard]) -> bool:
    """Whether an answer must be whole before any of it is given: a guard may change or refuse it.

    What is only noted can be noted afterwards.
    """
    return any(guard.where == "after" and guard.action != "note" for guard in guards)
