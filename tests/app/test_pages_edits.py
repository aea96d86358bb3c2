"""Cases typed over: what waits is shown, then becomes the next version, and never half of it."""

import pytest

from app.workspace.components.case_edits import (
    CaseEdits,
    PageEdits,
    read_edits,
    rebased,
    shown_rows,
)
from core.database import Database
from core.drafts import load_draft, save_draft
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import CasePublic, iter_cases
from evalsets.datasets.edits import typed_cases
from tests.support.pages import page, words

ROWS = [
    {"id": "a", "question": "1+1?", "expected": "2", "tags": ["easy", "sum"], "n": 3},
    {"id": "b", "question": "2+2?", "expected": "4", "split": "dev"},
    {"id": "c", "question": "3+3?", "n": {"deep": [1]}},
]


@pytest.fixture
def stored(workspace, sqlite_db: Database) -> list[CasePublic]:
    with sqlite_db.session_scope("user:admin") as session:
        datasets.push(session, "sums", typed_cases(ROWS))
    return cases_of(sqlite_db)


def cases_of(database: Database, ref: str = "latest") -> list[CasePublic]:
    with database.read_scope() as session:
        version = datasets.get(session, "sums", ref)
        return list(iter_cases(session, version.version_id))


def test_untouched_rows_are_no_edit(stored):
    assert not read_edits(stored, shown_rows(stored, PageEdits())).any


def test_what_is_typed_becomes_updates_deletions_and_additions(stored):
    rows = shown_rows(stored, PageEdits())
    rows[0] |= {"n": "4", "tags": "hard"}
    rows[2] |= {"question": "3*3?"}
    typed = [rows[0], rows[2], {"id": None, "question": "new?", "expected": "", "n": "7"}]
    found = read_edits(stored, typed)
    assert found.updates["a"] | {"n": 4, "tags": "hard"} == found.updates["a"]
    assert found.updates["a"]["question"] == "1+1?"
    assert found.updates["c"]["n"] == {"deep": [1]}
    assert found.deletes == ["b"]
    assert found.additions == [{"question": "new?", "n": "7"}]
    assert read_edits(stored, shown_rows(stored, found)) == found


def test_an_empty_new_row_is_nothing(stored):
    rows = [*shown_rows(stored, PageEdits()), {"id": None, "question": "", "expected": None}]
    assert not read_edits(stored, rows).any


def draft(database: Database, edits: PageEdits, based_on: int = 1) -> None:
    content = f'{{"based_on": {based_on}, "pages": {{"": {edits.model_dump_json()}}}}}'
    with database.session_scope("user:admin") as session:
        save_draft(session, "dataset.cases", "sums", content)


def edits(cases: list[CasePublic]) -> PageEdits:
    rows = shown_rows(cases, PageEdits())
    rows[0]["expected"] = "two"
    return read_edits(cases, [*rows[:2], {"id": None, "question": "new?"}])


def test_the_change_is_shown_and_saved_as_the_next_version(stored, sqlite_db):
    draft(sqlite_db, edits(stored))
    found = page("datasets", id="sums", edit="1")
    assert not found.exception
    assert "1 changed, 1 added, 1 removed" in words(found)
    found.button(key="edits_review").click().run()
    assert not found.exception
    shown = found.dataframe[-1].value
    assert list(shown["case"]) == ["a", "c", "+"]
    assert (shown.iloc[0]["before"], shown.iloc[0]["after"]) == ("expected: 2", "expected: two")
    assert len(cases_of(sqlite_db)) == 3
    with sqlite_db.read_scope() as session:
        assert datasets.get(session, "sums").version == 1
    next(b for b in found.button if b.label == "Save version 2").click().run()
    assert not found.error
    after = cases_of(sqlite_db)
    assert [case.inputs["question"] for case in after] == ["1+1?", "2+2?", "new?"]
    assert after[0].expected == "two"
    assert after[0].inputs["n"] == 3
    assert [case.expected for case in cases_of(sqlite_db, "1")] == ["2", "4", None]
    with sqlite_db.read_scope() as session:
        assert load_draft(session, "user:admin", "dataset.cases", "sums") is None


def pushed_by_ann(database: Database, rows: list[dict]) -> None:
    with database.session_scope("user:ann") as session:
        datasets.push(session, "sums", typed_cases(rows))


def test_somebodys_newer_version_is_not_saved_over(stored, sqlite_db):
    draft(sqlite_db, edits(stored))
    found = page("datasets", id="sums", edit="1", do="cases")
    pushed_by_ann(sqlite_db, ROWS[:1])
    next(b for b in found.button if b.label == "Save version 2").click().run()
    assert "Version 2 by ann" in words(found)
    assert len(cases_of(sqlite_db)) == 1


def test_stale_edits_are_shown_and_saved_on_top_of_the_newer_version(stored, sqlite_db):
    draft(sqlite_db, edits(stored))
    theirs = [{**ROWS[0], "question": "one and one?"}, ROWS[2], {"id": "d", "question": "4+4?"}]
    pushed_by_ann(sqlite_db, theirs)
    for query in ({"do": "cases"}, {}):
        found = page("datasets", id="sums", edit="1", **query)
        assert not found.exception
        assert "Version 2 by ann (just now) is newer than version 1" in words(found)
        assert not [b for b in found.button if b.label.startswith("Save version")]
    assert list(found.dataframe[0].value["case"]) == ["a", "c", "+"]
    found.button(key="edits_on_top_page").click().run()
    assert not found.exception
    assert list(found.dataframe[-1].value["case"]) == ["a", "c", "+"]
    next(b for b in found.button if b.label == "Save version 3").click().run()
    assert not found.error
    after = {case.inputs["question"]: case for case in cases_of(sqlite_db)}
    assert list(after) == ["one and one?", "4+4?", "new?"]
    assert after["one and one?"].expected == "two"


def test_stale_edits_can_be_given_up(stored, sqlite_db):
    draft(sqlite_db, edits(stored))
    pushed_by_ann(sqlite_db, ROWS[:1])
    found = page("datasets", id="sums")
    assert "unsaved draft" in words(found)
    found = page("datasets", id="sums", edit="1")
    found.button(key="edits_discard").click().run()
    with sqlite_db.read_scope() as session:
        assert load_draft(session, "user:admin", "dataset.cases", "sums") is None


def test_edits_are_put_on_the_pages_where_their_cases_stand_now():
    rows = [{"id": f"c{n}", "x": str(n), "y": "0"} for n in range(120)]
    old = positioned(rows[:60])
    first, last = shown_rows(old[:1], PageEdits())[0], shown_rows(old[59:], PageEdits())[0]
    page_edits = read_edits([old[0], old[58], old[59]], [first | {"x": "mine"}, last | {"y": "1"}])
    made = CaseEdits(based_on=1, pages={"": page_edits})
    newest = [{**rows[119], "y": "theirs"}, *rows[60:110], {**rows[59], "x": "theirs"}, *rows[1:59]]
    found = rebased(made, old, positioned(newest), 2)
    assert found.based_on == 2
    assert found.pages[""].updates == {}
    assert found.pages[""].additions == [{"x": "mine", "y": "0"}]  # the case is gone by now
    assert found.pages["49"].updates["c59"] == {
        "id": "c59", "x": "theirs", "y": "1", "expected": None, "split": None, "tags": None,
    }  # fmt: skip
    assert found.pages["99"].deletes == ["c58"]


def positioned(rows: list[dict]) -> list[CasePublic]:
    return [
        CasePublic(n, n, row["id"], {k: v for k, v in row.items() if k != "id"}, "", None, [], None)
        for n, row in enumerate(rows)
    ]


def test_a_bad_row_is_named_and_nothing_is_saved(stored, sqlite_db):
    rows = shown_rows(stored, PageEdits())
    rows[1]["split"] = "no-such-split"
    draft(sqlite_db, read_edits(stored, rows))
    found = page("datasets", id="sums", edit="1", do="cases")
    next(b for b in found.button if b.label == "Save version 2").click().run()
    assert "Row 2" in words(found)
    with sqlite_db.read_scope() as session:
        assert datasets.get(session, "sums").version == 1


def test_discarding_leaves_everything_as_it_was(stored, sqlite_db):
    draft(sqlite_db, edits(stored))
    found = page("datasets", id="sums", edit="1")
    found.button(key="edits_discard").click().run()
    assert not found.exception
    assert "edit" not in found.query_params
    with sqlite_db.read_scope() as session:
        assert load_draft(session, "user:admin", "dataset.cases", "sums") is None


def test_an_old_version_is_not_edited(stored, sqlite_db):
    with sqlite_db.session_scope("user:ann") as session:
        datasets.push(session, "sums", typed_cases(ROWS[:1]))
    found = page("datasets", id="sums", v="1", edit="1")
    assert "edits_review" not in [b.key for b in found.button]
    assert "datasets_edit" not in [b.key for b in found.button]
