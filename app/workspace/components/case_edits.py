"""Edits of a data set's cases that wait to be saved: kept as a draft, page by page."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from sqlmodel import Session

from app.workspace.components import access
from core.canonical import Json
from core.drafts import drop_draft, load_draft, save_draft
from evalsets.datasets.cases import PAGE, CasePublic, as_row
from evalsets.files.export import case_rows

_KIND = "dataset.cases"
Flat = dict[str, Any]


class PageEdits(BaseModel):
    """What was done to the cases of one page: whole flat rows by id, ids, and new flat rows."""

    updates: dict[str, Flat] = {}
    deletes: list[str] = []
    additions: list[Flat] = []

    @property
    def any(self) -> bool:
        return bool(self.updates or self.deletes or self.additions)


class CaseEdits(BaseModel):
    """All that waits, by the cursor of its page; made on version `based_on`."""

    based_on: int
    pages: dict[str, PageEdits] = Field(default_factory=dict)

    def page_of(self, position: int) -> PageEdits:
        """The edits of the page on which a case of this position stands."""
        first = position // PAGE * PAGE
        return self.pages.setdefault(str(first - 1) if first else "", PageEdits())

    def together(self) -> PageEdits:
        """As one."""
        found = PageEdits()
        for page in self.pages.values():
            found.updates.update(page.updates)
            found.deletes.extend(page.deletes)
            found.additions.extend(page.additions)
        return found


def load(name: str, newest: int) -> CaseEdits:
    """The draft of who looks, or an empty one on the newest version."""
    with access.reading() as session:
        draft = load_draft(session, access.actor(), _KIND, name)
    try:
        return CaseEdits.model_validate_json(draft.content) if draft else CaseEdits(based_on=newest)
    except ValidationError:
        return CaseEdits(based_on=newest)


def waits(name: str) -> bool:
    """Whether who looks has a draft of this data set."""
    with access.reading() as session:
        return load_draft(session, access.actor(), _KIND, name) is not None


def keep(name: str, edits: CaseEdits) -> None:
    """Store the draft, or drop it where nothing waits."""

    def store(session: Session) -> bool:
        if edits.together().any:
            save_draft(session, _KIND, name, edits.model_dump_json())
        else:
            drop_draft(session, _KIND, name)
        return True

    access.act(store)


def forget(session: Session, name: str) -> None:
    """Drop the draft."""
    drop_draft(session, _KIND, name)


def rebased(
    edits: CaseEdits, before: Sequence[CasePublic], newest: Sequence[CasePublic], number: int
) -> CaseEdits:
    """The edits on top of version `number` instead of the one they were made on; pure.

    Of a changed case only the fields that were typed over change; one that is gone by now comes
    back as a new one, and a deletion of it has nothing left to do.
    """
    waiting, old = edits.together(), {case.case_id: _flat(case) for case in before}
    now = {case.case_id: case for case in newest}
    found = CaseEdits(based_on=number, pages={"": PageEdits(additions=waiting.additions)})
    for case_id, row in waiting.updates.items():
        typed = {name: row[name] for name in row if row[name] != old.get(case_id, {}).get(name)}
        if case_id not in now:
            found.pages[""].additions.append(_as_new(row))
        elif (after := {**_flat(now[case_id]), **typed}) != _flat(now[case_id]):
            found.page_of(now[case_id].position).updates[case_id] = after
    for case_id in waiting.deletes:
        if case_id in now:
            found.page_of(now[case_id].position).deletes.append(case_id)
    return found


def _as_new(row: Flat) -> Flat:
    return {name: value for name, value in row.items() if name != "id" and value is not None}


def shown_rows(cases: Sequence[CasePublic], edits: PageEdits) -> list[dict[str, str]]:
    """A page as texts to be typed over, with what waits already in it; pure."""
    flat = [_flat(case) for case in cases if case.case_id not in edits.deletes]
    rows = [edits.updates.get(str(row["id"]), row) for row in flat]
    return [as_texts(row) for row in rows] + [
        {"id": "", **as_texts(row)} for row in edits.additions
    ]


def read_edits(cases: Sequence[CasePublic], rows: Sequence[Mapping[str, Any]]) -> PageEdits:
    """What the typed `rows` change in the stored `cases`; a row without an id is new; pure."""
    stored = {case.case_id: _flat(case) for case in cases}
    found = PageEdits()
    seen: set[str] = set()
    for row in rows:
        typed = {str(name): text for name, text in row.items() if isinstance(text, str)}
        case_id = typed.pop("id", "")
        if case_id in stored and case_id not in seen:
            seen.add(case_id)
            after = _changed(stored[case_id], typed)
            if after != stored[case_id]:
                found.updates[case_id] = after
        elif any(text.strip() for text in typed.values()):
            found.additions.append({name: text for name, text in typed.items() if text != ""})
    found.deletes = [case_id for case_id in stored if case_id not in seen]
    return found


def _changed(before: Flat, typed: Mapping[str, str]) -> Flat:
    """Cells that read as before keep their value, number or list as it is."""
    after = dict(before)
    for name, text in typed.items():
        old = before.get(name)
        if text == _text(old):
            continue
        if name in ("expected", "split", "tags"):
            after[name] = text if text else None
        else:
            after[name] = text if old is None or isinstance(old, str) else _parsed(text)
    return after


def _flat(case: CasePublic) -> Flat:
    return next(iter(case_rows([as_row(case)], "csv")))


def as_texts(row: Mapping[str, Json]) -> dict[str, str]:
    """A flat row as the table shows it; pure."""
    return {name: _text(value) for name, value in row.items()}


def _text(value: Json) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _parsed(text: str) -> Json:
    """JSON where the old value was none of text and the new one is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
