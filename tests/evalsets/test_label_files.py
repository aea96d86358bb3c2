"""Labels go in and out as JSON Lines; of a bad file nothing is taken, and its line is named."""

import io
import json

import pytest
from sqlmodel import select

from core.database import Database
from core.errors import Invalid, PromptstoneError, TooLarge
from evalsets.labels import lines as label_lines
from evalsets.labels.exporting import export_labels
from evalsets.labels.importing import Imported, import_labels
from evalsets.labels.lines import read_label_lines
from evalsets.labels.queue_plan import create_queue
from evalsets.labels.queues import progress
from evalsets.labels.service import Press, checked, item_of, save_label, take_back
from evalsets.labels.state import cells_labels
from evalsets.models import Label, Preference
from tests.support.runs_factory import make_run

ARMS = ("base@1 | echo", "base@2 | echo")


@pytest.fixture
def run(db: Database) -> str:
    with db.session_scope("cli:tester") as session:
        return make_run(session, cases=4, arms=ARMS)


def take(db: Database, run: str, text: str, annotator: str | None = None) -> Imported:
    lines = read_label_lines(io.BytesIO(text.encode()))
    with db.session_scope("cli:tester") as session:
        return import_labels(session, run, lines, annotator)


def give(db: Database, run: str) -> str:
    with db.read_scope() as session:
        return "".join(line + "\n" for line in export_labels(session, run))


def jsonl(*lines: object) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_export_delete_import_export_is_equal(db: Database, run: str) -> None:
    with db.session_scope("user:ann") as session:
        for cell in range(8):
            item = item_of(session, run, cell)
            word = ("good", "bad", "skip")[cell % 3]
            nasty = "\x00 \u2028 مر\U0001f600\r\n\t =1+1"
            content = checked(word, ["tone", "a\nb"], nasty, "“c”", adjudicated=cell == 5)
            save_label(session, item, content, Press("queue"))
            save_label(session, item, checked("good"), Press("queue"), "bob")
            save_label(session, item, checked("bad"), Press("queue"), "bob")
        take_back(session, item_of(session, run, 7), "bob")
    pair = {"arm_a": ARMS[1], "arm_b": ARMS[0], "case_id": "c1", "preference": "a"}
    take(db, run, jsonl({**pair, "annotator": "x"}, {**pair, "case_id": "c2", "preference": "tie"}))
    first = give(db, run)
    with db.read_scope() as session:
        counting = len(session.exec(select(Label.id)).all())
    assert (counting, len(first.splitlines())) == (25, 15 + 2)
    with db.session_scope("cli:tester") as session:
        for table in (Label, Preference):
            for row in session.exec(select(table)):
                session.delete(row)
    assert give(db, run) == ""
    assert take(db, run, first) == Imported(15, 2, 0, 0)
    assert give(db, run) == first
    assert take(db, run, first) == Imported(0, 0, 17, 0)
    assert give(db, run) == first


def test_the_keys_of_a_line_are_those_of_the_contract(db: Database, run: str) -> None:
    take(
        db, run, jsonl({"cell": 3, "annotator": "a", "label": "bad", "at": "2026-01-31T12:00:00Z"})
    )
    assert json.loads(give(db, run)) == {
        "cell": 3,
        "annotator": "a",
        "label": "bad",
        "reasons": [],
        "correction": None,
        "comment": None,
        "at": "2026-01-31T12:00:00+00:00",
    }


def test_a_cell_is_named_by_number_or_by_arm_case_and_repeat(db: Database) -> None:
    with db.session_scope("cli:tester") as session:
        run = make_run(session, cases=3, arms=ARMS, repeats=2)
    place = {"arm": ARMS[1], "case_id": "c1"}
    take(db, run, jsonl({**place, "repeat": 2, "label": "good"}, {"cell": 0, "label": "bad"}))
    with db.read_scope() as session:
        found = cells_labels(session, run, range(12))
    assert {n: label.label for n, label in found.items() if label.label} == {7: "good", 0: "bad"}
    with pytest.raises(Invalid, match=r"^line 1: .*repeat"):
        take(db, run, jsonl({**place, "label": "good"}))


def test_whose_label_it_is(db: Database, run: str) -> None:
    lines = jsonl({"cell": 0, "label": "good"}, {"cell": 1, "label": "good", "annotator": "王"})
    take(db, run, lines)
    with db.read_scope() as session:
        found = cells_labels(session, run, [0, 1])
    assert found[0].annotators == ("cli:tester",)
    assert found[1].annotators == ("王",)
    assert take(db, run, lines, "second").labels == 2
    with db.read_scope() as session:
        assert cells_labels(session, run, [1])[1].annotators == ("王", "second")


def test_imported_labels_finish_items_of_a_queue(db: Database, run: str) -> None:
    with db.session_scope("user:ann") as session:
        queue = create_queue(session, run)
    take(db, run, jsonl(*({"cell": cell, "label": "good"} for cell in range(5))))
    with db.read_scope() as session:
        assert progress(session, queue.id) == (5, 8)


def test_a_line_that_contradicts_one_before_it_counts_and_is_told(db: Database) -> None:
    with db.session_scope("cli:tester") as session:
        run = make_run(session, cases=1, output=lambda row, arm, repeat: "same")
    found = take(db, run, jsonl({"cell": 0, "label": "good"}, {"cell": 1, "label": "bad"}))
    assert found == Imported(2, 0, 0, 1)
    with db.read_scope() as session:
        assert cells_labels(session, run, [0])[0].label == "bad"


GOOD_LINE = '{"cell": 0, "label": "good"}\n'
PLACE = '"case_id": "c0", "label": "good"'
PAIR = '"case_id": "c0", "annotator": "x"'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"cell": 0, "label": "good"', "not JSON"),
        ("[1]", "no object"),
        ("{}", "label"),
        ('{"cell": 0, "label": "great"}', "good, bad, skip"),
        ('{"cell": 0, "label": null}', "good, bad, skip"),
        ('{"cell": 0, "label": 1}', "quotes"),
        ('{"cell": 99, "label": "good"}', "no cell 99"),
        ('{"cell": -1, "label": "good"}', "run export"),
        ('{"cell": 1.5, "label": "good"}', "whole number"),
        ('{"cell": true, "label": "good"}', "whole number"),
        ('{"cell": 1e400, "label": "good"}', "whole number"),
        ('{"label": "good"}', "case_id"),
        ('{"arm": "other", ' + PLACE + "}", "no arm"),
        ('{"arm": "base@1 | echo", "case_id": "zz", "label": "bad"}', "no case"),
        ('{"arm": "base@1 | echo", "repeat": 2, ' + PLACE + "}", "repeat 2"),
        ('{"cell": 0, "label": "good", "reasons": "wrong"}', "list of texts"),
        ('{"cell": 0, "label": "good", "reasons": [1]}', "list of texts"),
        ('{"cell": 0, "label": "good", "comment": ["x"]}', "quotes"),
        ('{"cell": 0, "label": "good", "comment": "\\ud800"}', "surrogate"),
        ('{"cell": 0, "label": "good", "annotator": ""}', "annotator"),
        ('{"cell": 0, "label": "good", "annotator": "a\\nb"}', "annotator"),
        ('{"cell": 0, "label": "good", "at": "yesterday"}', "moment"),
        ('{"cell": 0, "label": "good", "at": "2026-01-01T00:00:00"}', "time zone"),
        ('{"cell": 0, "label": "good", "at": "0001-01-01T00:00:00+09:00"}', "out of range"),
        ('{"cell": NaN, "label": "good"}', "not JSON"),
        ("[" * 100_000, "line 2"),
        ('{"arm_a": "base@1 | echo", "arm_b": "x", "preference": "a", ' + PAIR + "}", "no arm"),
        ('{"arm_a": "x", "arm_b": "x", "preference": "a", ' + PAIR + "}", "itself"),
        ('{"arm_a": "x", "preference": "a", ' + PAIR + "}", "arm_b"),
        ('{"arm_a": "x", "arm_b": "y", "preference": "c", ' + PAIR + "}", "tie"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_taken(
    sqlite_db: Database, line: str, says: str
) -> None:
    with sqlite_db.session_scope("cli:tester") as session:
        run = make_run(session, cases=2, arms=ARMS)
    with pytest.raises(PromptstoneError, match=says) as raised:
        take(sqlite_db, run, GOOD_LINE + line + "\n" + GOOD_LINE)
    assert raised.value.message.startswith("line 2: ")
    assert raised.value.message.endswith((".", "}"))
    assert give(sqlite_db, run) == ""


def test_a_cell_without_an_output_is_named(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("cli:tester") as session:
        run = make_run(session, cases=2, output=lambda row, arm, repeat: "x" if row else None)
    with pytest.raises(Invalid, match=r"line 2: cell 0 has no output to label \(failed\)"):
        take(sqlite_db, run, '{"cell": 2, "label": "good"}\n{"cell": 0, "label": "good"}\n')
    assert give(sqlite_db, run) == ""


def test_other_encodings_and_giants_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="line 2: this is not UTF-8"):
        read_label_lines(io.BytesIO(GOOD_LINE.encode() + "größe".encode("latin-1")))
    with pytest.raises(TooLarge, match="line 1: more than 8 MiB"):
        read_label_lines(io.BytesIO(b"x" * (9 << 20)))
    monkeypatch.setattr(label_lines, "MAX_LINES", 3)
    with pytest.raises(TooLarge, match="line 4"):
        read_label_lines(io.BytesIO(GOOD_LINE.encode() * 4))
    assert len(read_label_lines(io.BytesIO(b"\xef\xbb\xbf" + GOOD_LINE.encode() + b"\n\n"))) == 1
