"""`trace`, `dataset from-run` and `from-traces` as a user types them."""

import json
from collections.abc import Callable
from datetime import timedelta
from subprocess import CompletedProcess

import pytest
import typer

from app.cli.moments import moment
from core.clock import utcnow
from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from serving.feedback import give
from tests.support.calls import call, id_at, make_app, make_calls, said, store
from tests.support.forked import Forking
from tests.support.runs_factory import make_run

NOW = utcnow()
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(forking: Forking, sqlite_db: Database) -> Run:
    return lambda *words: forking.run(sqlite_db.settings.data, *words)


@pytest.fixture
def calls(sqlite_db: Database) -> list[str]:
    """A bad call with its correction, a good one, an old one, one of which nothing is kept."""
    with sqlite_db.session_scope("key:shop") as session:
        app = make_app(session)
        (old,) = make_calls(session, app, 1, until=NOW - timedelta(days=3))
        (dark,) = store(session, [call(app, content=None)])
        (good,) = store(session, [call(app, content=said("nice\x1b[31m?", "yes"))], rating="good")
        (bad,) = store(session, [call(app, content=said("Where?", "I do not know."), cost=None)])
        give(
            session, app_ids=None, request_id=bad, rating="bad", reasons=["useless"],
            correction="Here.", actor="key:shop",
        )  # fmt: skip
    return [bad, good, dark, old]


def test_list_show_and_export(run: Run, calls: list[str]):
    bad, good, _, old = calls
    listed = json.loads(run("trace", "list", "--app", "faq", "--since", "1d", "--json").stdout)
    assert {one["request_id"] for one in listed["traces"]} == set(calls) - {old}
    assert listed["traces"][0]["request_id"] == bad
    rated = json.loads(run("trace", "list", "--rating", "bad", "--json").stdout)["traces"]
    assert [(one["request_id"], one["cost_usd"]) for one in rated] == [(bad, None)]
    assert "unpriced" in run("trace", "list", "--text", "where?").stdout
    shown = json.loads(run("trace", "show", bad, "--json").stdout)
    assert shown["feedback"][0]["correction"] == "Here."
    text = run("trace", "show", good).stdout
    assert "nice\\x1b[31m?" in text
    assert "\x1b" not in text
    assert "is not kept" in run("trace", "show", calls[2]).stdout
    lines = run("trace", "export", "--format", "jsonl", "--app", "faq").stdout.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == calls
    assert json.loads(lines[0]) == shown


def test_what_is_wrong_is_said(run: Run, calls: list[str]):
    for words, status, part in (
        (("trace", "show", id_at(NOW)), 1, "no call"),
        (("trace", "list", "--app", "nobody"), 1, "no app"),
        (("trace", "list", "--rating", "fine"), 2, "fine"),
        (("trace", "list", "--since", "yesterday"), 2, "12h"),
        (("trace", "list", "--before", "x"), 1, "no request id"),
        (("trace", "export", "--format", "csv"), 2, "jsonl"),
        (
            ("dataset", "from-traces", "--name", "x", "--until", "4d"),
            1,
            "No call",
        ),
        (("dataset", "from-run", "nothing", "--name", "x"), 1, "no run"),
    ):
        found = run(*words)
        assert found.returncode == status, (words, found.stderr)
        assert part in found.stderr, (words, found.stderr)
        assert found.stdout == ""


def test_cases_of_calls(run: Run, calls: list[str]):
    found = run("dataset", "from-traces", "--name", "seen", "--app", "faq", "--json")
    made = json.loads(found.stdout)
    assert (made["version"], made["cases"], made["new"]) == (1, 3, 3)
    assert "1 calls are left out" in found.stderr
    cases = json.loads(run("dataset", "show", "seen", "--json").stdout)["first"]
    expected = {case["case_id"]: case["expected"] for case in cases}
    assert expected == {calls[0]: "Here.", calls[1]: "yes", calls[3]: None}
    again = run("dataset", "from-traces", "--name", "seen", "--rating", "bad")
    assert again.stdout == "seen@1 (3 cases, 0 new, 0 changed)\n"


def test_cases_of_a_run(run: Run, sqlite_db: Database):
    with sqlite_db.session_scope("user:ann") as session:
        made = make_run(session, cases=3)
        for cell, label, correction in ((0, "good", None), (2, "bad", "so"), (4, "bad", None)):
            item = item_of(session, made, cell)
            save_label(session, item, checked(label, (), correction), Press("import"))
    found = json.loads(
        run("dataset", "from-run", made, "--name", "gold", "--label", "good", "--json").stdout
    )
    assert (found["version"], found["cases"]) == (1, 1)
    more = run("dataset", "from-run", made, "--name", "gold")
    assert more.stdout == "gold@2 (2 cases, 1 new, 0 changed)\n"


@pytest.mark.parametrize(
    ("text", "minutes"), [("30m", 30), ("2h", 120), ("1D", 1440), ("1w", 10080)]
)
def test_moments_ago(text: str, minutes: int):
    assert abs(moment(text, "--since") - (utcnow() - timedelta(minutes=minutes))).seconds < 5


def test_moments():
    assert moment("2026-01-31T10:00:00+00:00", "--since").isoformat()[:10] in ("2026-01-31",)
    assert moment("2026-01-31", "--since").tzinfo is not None
    for wrong in ("", "1x", "-1d", "soon", "2026-13-01", "9" * 30 + "d"):
        with pytest.raises(typer.BadParameter):
            moment(wrong, "--since")
