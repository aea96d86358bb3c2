"""Cases from runs and elsewhere join a data set: nothing doubled, nothing lost in a race."""

import pytest

from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.datasets.adding import NewCase, add_cases, joined, prepare, store
from evalsets.datasets.cases import page_cases
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.from_run import run_cases
from evalsets.datasets.service import get
from evalsets.labels.service import Press, checked, item_of, save_label
from tests.support.runs_factory import make_run


def stored(db: Database, name: str):
    with db.read_scope() as session:
        return page_cases(session, get(session, name).version_id).cases


def test_equal_inputs_are_one_case():
    known = typed_cases([{"id": "a", "q": "1", "expected": "x", "tags": ["old"]}, {"q": "2"}])
    made = joined(
        known,
        [
            NewCase({"q": "1"}, "better", ("new",)),
            NewCase({"q": "2"}),  # says nothing new
            NewCase({"q": "3"}, None, ("new",), None, "a"),  # a name that is taken
            NewCase({"q": "3"}, "three", ("twice",)),
            NewCase({"q": "4", "more": [1]}, "", (), "test", "d"),
        ],
    )
    assert (made.new, made.changed) == (2, 1)
    rows = {case.inputs["q"]: case for case in made.cases.cases}
    assert (rows["1"].case_id, rows["1"].expected) == ("a", "better")
    assert rows["1"].tags == ["old", "new"]
    assert (rows["3"].expected, rows["3"].tags) == ("three", ["new", "twice"])
    assert rows["3"].case_id != "a"
    assert (rows["4"].case_id, rows["4"].expected, rows["4"].split) == ("d", "", "test")
    assert made.cases.columns == ["q", "more"]


@pytest.mark.parametrize("inputs", [{"tags": "x"}, {"n": float("nan")}, {"t": "\ud800"}])
def test_what_no_data_set_holds_is_refused(inputs: dict):
    with pytest.raises(Invalid):
        joined(None, [NewCase(inputs)])


def test_nobody_writes_over_another(db: Database):
    first = add_cases(db, "test", "set", [NewCase({"q": "1"})], "one").version
    assert (first.ref, first.message) == ("set@1", "one")
    ready = prepare(db, "set", [NewCase({"q": "2"})])
    add_cases(db, "test", "set", [NewCase({"q": "3"})])
    with db.session_scope("test") as session, pytest.raises(Conflict):
        store(session, ready)
    again = add_cases(db, "test", "set", [NewCase({"q": "2"})])
    assert (again.version.ref, again.new) == ("set@3", 1)
    assert [case.inputs["q"] for case in stored(db, "set")] == ["1", "3", "2"]
    with pytest.raises(Invalid, match="no case"):
        add_cases(db, "test", "set", [])


@pytest.fixture
def labeled(db: Database) -> str:
    """Two arms; c0: both good; c1: bad, corrected; c2: bad; c3: skipped; c4: unlabeled."""
    said = {
        (0, 0): ("good", None), (0, 1): ("good", "the best"), (1, 0): ("bad", "so"),
        (2, 1): ("bad", None), (3, 0): ("skip", None),
    }  # fmt: skip
    with db.session_scope("user:ann") as session:
        run = make_run(session, cases=5)
        for (row, arm), (label, correction) in said.items():
            item = item_of(session, run, row * 2 + arm)
            save_label(session, item, checked(label, (), correction), Press("import"))
    return run


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("good", [("c0", "the best")]),
        ("bad", [("c1", "so"), ("c2", "expected 2")]),
        (None, [("c0", "the best"), ("c1", "so")]),
    ],
)
def test_cases_of_a_labeled_run(db: Database, labeled: str, label: str | None, wanted: list):
    with db.read_scope() as session:
        found = run_cases(session, labeled, label)
    assert [(case.case_id, case.expected) for case in found] == wanted
    assert found[0].inputs == {"question": f"number {wanted[0][0][1]}"}


def test_a_run_without_labels_says_so(db: Database):
    with db.session_scope("test") as session:
        run = make_run(session, cases=2)
        with pytest.raises(Invalid, match="Label some"):
            run_cases(session, run, "good")
        with pytest.raises(Invalid, match="good or bad"):
            run_cases(session, run, "fine")
        with pytest.raises(NotFound):
            run_cases(session, "nothing")
