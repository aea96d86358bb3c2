"""Data sets on both databases: versions, pages, differences, edits, export and back."""

import io
import threading
import time
from typing import Any

import pytest
from sqlmodel import Session, select

from core.canonical import content_hash
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.datasets.cases import (
    diff,
    export_dataset,
    get_case,
    iter_cases,
    page_cases,
    split_counts,
)
from evalsets.datasets.edits import edited, load_cases, save_edited, typed_cases
from evalsets.datasets.grid import Axis, describe_grid, grid_cases
from evalsets.datasets.service import DatasetPushed, describe, get, history, list_datasets, push
from evalsets.files.cases import CaseRow, ParsedCases
from evalsets.files.reading import read_stream
from evalsets.models import Case, Dataset
from tests.support.depth import DEEP


def read(text: str, name: str = "x.csv") -> ParsedCases:
    return read_stream(io.BytesIO(text.encode()), name)


def pushed(db: Database, name: str, parsed: ParsedCases, **rest: Any) -> DatasetPushed:
    with db.session_scope("cli:ada") as session:
        return push(session, name, parsed, **rest)


NEWS = "id,q,expected,tags,split\na,one,1,x;y,dev\nb,two,,x,\nc,three,3,,test\n"


def test_a_push_makes_a_version_only_of_new_content(db: Database) -> None:
    first = pushed(db, "team/news", read(NEWS), message="first", source="news.csv")
    again = pushed(db, "team/news", read(NEWS))
    other = pushed(db, "team/news", read(NEWS.replace("two", "2")))
    back = pushed(db, "team/news", read(NEWS))
    assert [p.created for p in (first, again, other, back)] == [True, False, True, True]
    assert [p.version.version for p in (first, again, other, back)] == [1, 1, 2, 3]
    assert first.version.hash == back.version.hash != other.version.hash
    assert first.version.ref == "team/news@1"
    with db.read_scope() as session:
        found = get(session, "team/news", 1)
        assert (found.message, found.source, found.author, found.newest) == (
            "first",
            "news.csv",
            "cli:ada",
            3,
        )
        assert (found.cases, found.columns) == (3, ("q",))
        assert [v.version for v in history(session, "team/news")] == [3, 2, 1]


def test_the_hash_is_that_of_the_canonical_json() -> None:
    parsed = read(NEWS)
    whole = [[c.case_id, c.inputs, c.expected, c.tags, c.split] for c in parsed.cases]
    assert parsed.hash == content_hash(whole)


def test_stored_cases_are_exact(db: Database) -> None:
    inputs: dict[str, Any] = {
        "t": "=1\x00\u2028'é😀",
        "n": 2**63,
        "f": 0.1,
        "l": [1, {"a": None}],
        "none": None,
        "e": "",
    }
    rows = [
        {"id": "x", "expected": "e\x00", "tags": ["a, b"], "split": "holdout", **inputs},
        {"q": "only"},
    ]
    parsed = typed_cases(rows)
    version = pushed(db, "d", parsed).version
    with db.read_scope() as session:
        first, second = iter_cases(session, version.version_id)
        assert first.inputs == inputs
        assert list(first.inputs) == list(inputs)
        assert (first.case_id, first.expected, first.tags, first.split) == (
            "x",
            "e\x00",
            ["a, b"],
            "holdout",
        )
        assert first.inputs_hash == content_hash(inputs)
        assert (second.position, second.inputs, second.expected, second.tags) == (
            1,
            {"q": "only"},
            None,
            [],
        )
        assert load_cases(session, "d").hash == parsed.hash
        assert (case := get_case(session, version.version_id, "x")) is not None
        assert case.id == first.id
        assert get_case(session, version.version_id, "y") is None


def test_missing_names_versions_and_bad_names(db: Database) -> None:
    pushed(db, "d", read(NEWS))
    with db.read_scope() as session:
        for name, ref in (
            ("nope", "latest"),
            ("d", 2),
            ("d", "0"),
            ("d", "production"),
            ("d", "9" * 30),
            ("d", "²"),
        ):
            with pytest.raises(NotFound) as caught:
                get(session, name, ref)
            assert caught.value.message.endswith(".")
    for name in ("a b", "a@1", "a|b", "", "x" * 129, "../x"):
        with pytest.raises(Invalid):
            pushed(db, name, read(NEWS))
    with pytest.raises(Invalid):
        pushed(db, "empty", ParsedCases([], [], None, "grid", []))


def test_pages_follow_the_cursor(db: Database) -> None:
    text = "id,q,split,tags\n" + "".join(
        f"c{n},question {n},{'dev' if n % 3 else ''},{'odd' if n % 2 else 'even'}\n"
        for n in range(120)
    )
    version = pushed(db, "d", read(text)).version
    with db.read_scope() as session:
        seen: list[str] = []
        after: int | None = None
        sizes: list[int] = []
        while True:
            page = page_cases(session, version.version_id, after=after)
            seen += [case.case_id for case in page.cases]
            sizes.append(len(page.cases))
            if (after := page.after) is None:
                break
        assert seen == [f"c{n}" for n in range(120)]
        assert sizes == [50, 50, 20]
        assert len(page_cases(session, version.version_id, split="dev", limit=200).cases) == 80
        assert len(page_cases(session, version.version_id, tag="odd", limit=200).cases) == 60
        assert [
            c.case_id for c in page_cases(session, version.version_id, search="QUESTION 11").cases
        ] == ["c11", *(f"c{n}" for n in range(110, 120))]
        assert page_cases(session, version.version_id, search="%").cases == []
        assert split_counts(session, version.version_id) == {None: 40, "dev": 80}
        assert [c.position for c in iter_cases(session, version.version_id, limit=7)] == list(
            range(7)
        )


def test_search_and_tags_are_literal(db: Database) -> None:
    rows = [
        {"id": "1", "q": 'say "hi"\nthere', "tags": ['a"b', "x_y"]},
        {"id": "2", "q": "中文 100%", "tags": ["xzy"], "expected": "Ja_wohl"},
    ]
    version = pushed(db, "d", typed_cases(rows)).version
    with db.read_scope() as session:

        def ids(**filters: str) -> list[str]:
            return [
                case.case_id for case in page_cases(session, version.version_id, **filters).cases
            ]  # type: ignore[arg-type]

        assert ids(search='"hi"\nth') == ["1"]
        assert ids(search="文 100%") == ["2"]
        assert ids(search="ja_wohl") == ["2"]
        assert ids(tag='a"b') == ["1"]
        assert ids(tag="x_y") == ["1"]
        assert ids(tag="x") == []


def test_diff(db: Database) -> None:
    pushed(db, "d", read("id,q,r\na,1,\nb,2,\nc,3,\nd,4,\n"))
    pushed(db, "d", read("id,q,s\na,1,\nb,2!,\ne,5,\nc,3,\n".replace(",s", ",r")))
    with db.read_scope() as session:
        found = diff(session, "d", 1, 2)
        assert (found.added, found.removed, found.changed, found.unchanged) == (1, 1, 1, 2)
        assert [(c.case_id, c.before is None, c.after is None) for c in found.changes] == [
            ("b", False, False),
            ("d", False, True),
            ("e", True, False),
        ]
        assert found.changes[0].after is not None
        assert found.changes[0].after.inputs["q"] == "2!"
        assert diff(session, "d", 1, 1).changes == []
        assert len(diff(session, "d", 1, 2, limit=1).changes) == 1
    pushed(db, "d", read("id,q,t\na,1,\n"))
    with db.read_scope() as session:
        found = diff(session, "d", 2, 3)
        assert (found.columns_added, found.columns_removed) == (["t"], ["r"])


def test_edits_make_a_new_version_or_a_conflict(db: Database) -> None:
    pushed(db, "d", read(NEWS))
    with db.read_scope() as session:
        old = load_cases(session, "d", 1)
    new = edited(
        old,
        updates={"b": {"id": "b", "q": "deux", "expected": "2"}},
        deletes=["a"],
        additions=[{"q": "four"}],
    )
    with db.session_scope("user:admin") as session:
        result = save_edited(session, "d", new, based_on=1, message="typed")
    assert result.version.version == 2
    with db.read_scope() as session:
        found = list(iter_cases(session, result.version.version_id))
        assert [(c.case_id, c.inputs, c.expected) for c in found][:2] == [
            ("b", {"q": "deux"}, "2"),
            ("c", {"q": "three"}, "3"),
        ]
        assert found[2].inputs == {"q": "four"}
    with (
        pytest.raises(Conflict, match="version 2 from user:admin"),
        db.session_scope("user:eve") as session,
    ):
        save_edited(session, "d", edited(old, deletes=["b"]), based_on=1)
    with pytest.raises(Invalid, match="no case 'zzz'"):
        edited(old, deletes=["zzz"])
    with pytest.raises(Invalid, match="Row 4: id 'a' stands"):
        edited(old, additions=[{"id": "a", "q": "twice"}])
    with pytest.raises(Invalid, match="Row 1: split"):
        typed_cases([{"q": "1", "split": "maybe"}])
    with pytest.raises(Invalid):
        typed_cases([])


def test_a_grid_is_pushed(db: Database) -> None:
    axes = [Axis("tone", ("formal", "casual")), Axis("n", (1, 2, 3))]
    version = pushed(db, "grid", grid_cases(axes, 4, 7), source=describe_grid(axes, 4, 7)).version
    assert (version.cases, version.columns) == (4, ("tone", "n"))
    assert version.source == "grid tone (2) × n (3), sample 4, seed 7"
    assert not pushed(db, "grid", grid_cases(axes, 4, 7)).created


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx"])
def test_an_export_pushed_again_is_the_same_content(db: Database, format: Any) -> None:
    rows = [
        {"q": f"{sign}{n}", "expected": f"{sign}x", "tags": ["a, b", "=c"]}
        for n, sign in enumerate("=+-@\t\r\x00'")
    ]
    first = pushed(db, "d", typed_cases(rows)).version
    out = io.BytesIO()
    with db.read_scope() as session:
        assert export_dataset(session, "d", "latest", format, out) == len(rows)
    again = pushed(db, "d", read_stream(io.BytesIO(out.getvalue()), f"d.{format}"))
    assert not again.created
    assert again.version.hash == first.hash


def test_the_catalogue(db: Database) -> None:
    for name in ("b", "team/a", "team/c"):
        pushed(db, name, read(NEWS))
    pushed(db, "imported", read(NEWS), imported=True)
    with db.session_scope("cli:ada") as session:
        describe(session, "b", "about b")
    with db.read_scope() as session:
        rows = list_datasets(session)
        assert [(row.name, row.newest, row.cases) for row in rows] == [
            ("b", 1, 3),
            ("team/a", 1, 3),
            ("team/c", 1, 3),
        ]
        assert rows[0].description == "about b"
        assert [row.name for row in list_datasets(session, after="b", limit=1)] == ["team/a"]
        assert [row.name for row in list_datasets(session, search="TEAM/")] == ["team/a", "team/c"]
        assert len(list_datasets(session, imported=True)) == 4
    pushed(db, "imported", read(NEWS))
    with db.read_scope() as session:
        assert len(list_datasets(session)) == 4


def test_concurrent_pushes_of_one_name(db: Database) -> None:
    results: list[DatasetPushed] = []
    barrier = threading.Barrier(6)

    def work(number: int) -> None:
        parsed = read(f"q\nnumber {number % 3}\n")
        barrier.wait()
        results.append(pushed(db, "race", parsed))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    with db.read_scope() as session:
        versions = history(session, "race")
        assert [v.version for v in versions] == list(range(len(versions), 0, -1))
        assert sum(r.created for r in results) == len(versions)
        assert len(session.exec(select(Dataset)).all()) == 1


def test_a_failed_push_leaves_nothing(db: Database) -> None:
    def half(session: Session) -> None:
        push(session, "half", read(NEWS))
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError), db.session_scope("cli:ada") as session:
        half(session)
    with db.read_scope() as session:
        assert session.exec(select(Dataset)).all() == []
        assert session.exec(select(Case)).all() == []


def test_many_cases(sqlite_db: Database) -> None:
    count = 100_000 if DEEP else 10_000
    parsed = ParsedCases(
        [CaseRow(f"c{n}", {"q": f"question {n}"}) for n in range(count)], ["q"], None, "grid", []
    )
    assert parsed.hash
    start = time.process_time()
    version = pushed(sqlite_db, "many", parsed).version
    assert time.process_time() - start < count / 1000
    with sqlite_db.read_scope() as session:
        assert sum(1 for _ in iter_cases(session, version.version_id)) == count
        assert page_cases(session, version.version_id, after=count - 3).after is None
