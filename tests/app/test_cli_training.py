"""`dataset training` and `dataset rows` as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from serving.feedback import give
from tests.support.calls import call, make_app, said, store
from tests.support.forked import Forking
from tests.support.runs_factory import make_run

Run = Callable[..., CompletedProcess[str]]
EXAM = "Which of the two towers by the northern harbour is older than the town hall itself?"


@pytest.fixture
def run(forking: Forking, sqlite_db: Database) -> Run:
    return lambda *words: forking.run(sqlite_db.settings.data, *map(str, words))


@pytest.fixture
def labeled(sqlite_db: Database) -> str:
    with sqlite_db.session_scope("user:ann") as session:
        cases = [{"question": EXAM}, *({"question": f"What is {n} + 1?"} for n in range(3))]
        made = make_run(session, cases=cases, imported=True)
        for cell, label, correction in (
            (0, "good", None), (2, "good", None), (3, "bad", None), (4, "bad", "2, of course"),
        ):  # fmt: skip
            item = item_of(session, made, cell)
            save_label(session, item, checked(label, (), correction), Press("import"))
    return made


def document(found: CompletedProcess[str]) -> dict:
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_rows_of_a_run(run: Run, labeled: str, tmp_path: Path):
    exam = tmp_path / "exam.jsonl"
    exam.write_text(json.dumps({"question": EXAM, "split": "holdout", "id": "tower"}))
    document(run("dataset", "push", "exam", exam, "--json"))
    words = ("dataset", "training", "learn", "--from-run", labeled, "--as", "sft")
    planned = document(run(*words, "--plan", "--json"))
    assert "version" not in planned
    made = document(run(*words, "--json"))
    assert (made["name"], made["version"], made["cases"], made["kind"]) == ("learn", 1, 2, "sft")
    assert (made["given"], made["new"], made["held_out"]) == (3, 2, 0)
    assert [(leak["dataset"], leak["case_id"]) for leak in made["leaks"]] == [("exam", "tower")]
    assert [step["step"] for step in made["steps"]] == [
        "empty", "pii", "too_long", "language", "refusals", "duplicates", "near_duplicates",
    ]  # fmt: skip
    assert made["tokens"]["both"]["most"] > 10
    assert run(*words).returncode == 1
    shown = document(run("dataset", "show", "learn", "--json"))
    assert shown["first"][1]["expected"] == "2, of course"
    assert shown["first"][1]["tags"] == [f"run:{labeled}", "correction"]
    text = run("dataset", "training", "pairs", "--from-run", labeled, "--as", "dpo").stdout
    assert "near_duplicates" in text
    assert "pairs@1 (2 rows: 2 new rows" in text


def test_files_in_and_out(run: Run, tmp_path: Path):
    lines = [json.dumps({"instruction": f"What is {n}?", "output": str(n)}) for n in range(97)]
    lines[10:10] = ['{"instruction": "broken', '{"instruction": "x", "output": 3}', '["no"]']
    file = tmp_path / "alpaca.jsonl"
    file.write_text("\n".join(lines))
    words = ("dataset", "training", "learn", "--from-file", file, "--as", "sft")
    refused = run(*words)
    assert refused.returncode == 1
    for part in ("alpaca.jsonl, line 11:", "line 12 (case", "line 13:", "3 bad rows of 100"):
        assert part in refused.stderr, refused.stderr
    assert run("dataset", "show", "learn").returncode == 1  # nothing of it is kept
    made = document(run(*words, "--skip-bad", "--no-near-duplicates", "--json"))
    assert made["new"] == 97
    for form in ("alpaca", "sharegpt", "messages"):
        out = tmp_path / f"{form}.json"
        assert run("dataset", "rows", "learn", "--as", "sft", "--format", form, "--output", out)
        assert len(json.loads(out.read_text())) == 97
        name = f"again-{form}"
        again = ("dataset", "training", name, "--from-file", out, "--as", "sft", "--no-clean")
        assert document(run(*again, "--json"))["new"] == 97
    thumbs = run("dataset", "rows", "learn", "--as", "kto", "--format", "kto")
    assert json.loads(thumbs.stdout.splitlines()[0]) == {
        "prompt": "What is 0?", "completion": "0", "label": True,
    }  # fmt: skip
    wrong = run("dataset", "rows", "learn", "--as", "sft", "--format", "kto")
    assert "Export with --as kto" in wrong.stderr


def test_feedback_of_an_app(run: Run, sqlite_db: Database):
    with sqlite_db.session_scope("key:shop") as session:
        app = make_app(session)
        store(session, [call(app, content=None)], rating="good")
        store(session, [call(app, content=said("And you?", "Fine."))], rating="good")
        store(session, [call(app, content=said("Who?", "Nobody."))])
        (bad,) = store(session, [call(app, content=said("Where?", "I do not know."))])
        give(
            session, app_ids=None, request_id=bad, rating="bad", reasons=[], correction="Here.",
            actor="key:shop",
        )  # fmt: skip
    words = ("dataset", "training", "feedback", "--from-traces", "faq")
    found = run(*words, "--as", "kto", "--json")
    assert "what was said is not kept" in found.stderr
    assert document(found)["new"] == 3
    rows = run("dataset", "rows", "feedback", "--as", "kto", "--format", "kto").stdout.splitlines()
    told = [(one["completion"], one["label"]) for one in map(json.loads, rows)]
    assert told == [("Fine.", True), ("I do not know.", False), ("Here.", True)]
    pairs = ("dataset", "training", "better", "--from-data", "feedback", "--as", "sft", "--json")
    assert document(run(*pairs))["new"] == 2


@pytest.mark.parametrize(
    ("words", "status", "part"),
    [
        (("--as", "sft"), 2, "name a source"),
        (("--as", "rlhf", "--from-run", "x"), 2, "rlhf"),
        (("--as", "sft", "--from-run", "x"), 1, "no run"),
        (("--as", "sft", "--from-data", "x"), 1, "no data set"),
        (("--as", "sft", "--from-file", "/nothing.json"), 1, "cannot be opened"),
        (("--as", "sft", "--from-run", "x", "--language", "xx"), 2, "'xx' is none of"),
    ],
)
def test_what_is_wrong_is_said(run: Run, words: tuple[str, ...], status: int, part: str):
    found = run("dataset", "training", "x", *words)
    assert found.returncode == status, found.stderr
    assert part in found.stderr
    assert "Traceback" not in found.stderr
