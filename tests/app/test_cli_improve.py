"""`prompt improve` against a model on loopback: shown, written to a file, never saved."""

import json
from pathlib import Path

import pytest

from core.database import Database
from prompts import service as prompts
from tests.support.bases import fill, make_base, packaged
from tests.support.failed_runs import failed_run
from tests.support.forked import Forking
from tests.support.running import add_model
from tests.support.shell import Shell
from tests.support.witness import Witness

BETTER = {"reason": "It says why.", "messages": ["Say why.", "Tell me about {{ topic }}."]}


@pytest.fixture
def shell(sqlite_db: Database, forking: Forking, tmp_path: Path) -> Shell:
    return Shell(sqlite_db.settings.data, forking, tmp_path)


@pytest.fixture
def run_id(sqlite_db: Database, upstream: Witness) -> str:
    upstream.reset()
    add_model(sqlite_db, upstream, "ok", name="writer", input_price="1", output_price="2")
    with sqlite_db.session_scope("user:ann") as session:
        return failed_run(session)


def test_a_proposal_is_shown_with_its_cost_and_not_saved(
    shell: Shell, sqlite_db: Database, upstream: Witness, run_id: str, tmp_path: Path
):
    upstream.reply("ok", json.dumps(BETTER))
    asked = ("prompt", "improve", "ask", "--from-run", run_id, "--model", "writer")
    file = tmp_path / "better.prompty"
    found = shell.json(*asked, "--output", file)
    assert found["based_on"] == 1
    assert found["reason"] == "It says why."
    assert found["content"]["messages"][0]["content"] == "Say why."
    assert float(found["cost_usd"]) > 0
    assert (found["labeled"], found["held_out"]) == (5, 1)
    (sent,) = upstream.requests()
    assert "secret" not in json.dumps(sent["body"])
    with sqlite_db.read_scope() as session:
        assert prompts.get(session, "ask").version == 1
    assert "[-Be brief-]{+Say why+}" in shell(*asked)
    assert shell("prompt", "push", file).strip() == "ask@2"


def test_a_proposal_is_not_pushed_over_a_version_that_came_between(
    shell: Shell, sqlite_db: Database, upstream: Witness, run_id: str, tmp_path: Path
):
    upstream.reply("ok", json.dumps(BETTER))
    file = tmp_path / "better.prompty"
    shell("prompt", "improve", "ask", "--from-run", run_id, "--model", "writer", "--output", file)
    with sqlite_db.session_scope("user:bob") as session:
        before = prompts.get(session, "ask")
        other = before.content.messages[0].model_copy(update={"content": "Be kind."})
        changed = before.content.model_copy(
            update={"messages": (other, *before.content.messages[1:])}
        )
        prompts.push(session, "ask", changed)
    said = shell.error("prompt", "push", file)
    assert "version 2 from user:bob after version 1" in said
    assert "prompt diff ask@1 ask@2" in said
    assert "--based-on 2" in said
    assert "has no version 9 here" in shell.error("prompt", "push", file, "--based-on", "9")
    assert shell("prompt", "push", file, "--name", "other").strip() == "other@1"
    assert shell("prompt", "push", file, "--based-on", "2").strip() == "ask@3"
    assert shell("prompt", "push", file).strip() == "ask@3 (unchanged)"
    assert "based_on" not in shell("prompt", "export", "ask")
    kept = shell.json("import", "prompts", _other(file))
    assert "since you opened version 1" in kept["not_taken"][0]["reason"]


def _other(file: Path) -> Path:
    """The same file with another text."""
    made = file.with_name("again.prompty")
    made.write_text(file.read_text().replace("Say why.", "Say how."))
    return made


def test_what_is_no_proposal_is_refused_with_its_reason(
    shell: Shell, upstream: Witness, run_id: str
):
    asked = ("prompt", "improve", "ask", "--from-run", run_id, "--model", "writer")
    assert "not one JSON object" in shell.error(*asked)
    assert "There is no run" in shell.error(*asked[:4], "no", *asked[5:])


def test_cases_are_shown_then_saved_without_what_is_there(
    shell: Shell, upstream: Witness, run_id: str, tmp_path: Path
):
    topics = ("Topic 1!", "the weather on Mars", "the weather on mars")
    cases = [{"inputs": {"topic": topic}, "expected": None} for topic in topics]
    upstream.reply("ok", json.dumps({"cases": cases}))
    (tmp_path / "mars.txt").write_text("It is cold on Mars.")
    asked = (
        "dataset", "generate", "questions", "--model", "writer", "--text", tmp_path / "mars.txt",
        "--from-run", run_id, "--column", "topic",
    )  # fmt: skip
    found = shell.json(*asked)
    assert [case["inputs"] for case in found["cases"]] == [{"topic": "the weather on Mars"}]
    assert (found["near_duplicates"], found["saved"]) == (2, None)
    (sent,) = upstream.requests()
    body = json.dumps(sent["body"])
    assert "cold on Mars" in body
    assert "Too vague" in body
    assert "secret" not in body
    assert shell.json(*asked, "--save")["saved"] == "questions@2"
    lines = shell("dataset", "export", "questions", "--format", "jsonl").splitlines()
    assert len(lines) == 7
    assert json.loads(lines[-1])["tags"] == ["synthetic"]
    assert "No case is left to save" in shell.error(*asked, "--save")
    assert "nothing to write" in shell.error("dataset", "generate", "new", "--model", "writer")


def test_cases_are_written_from_passages_of_a_base(
    shell: Shell, sqlite_db: Database, upstream: Witness, tmp_path: Path
):
    upstream.reset()
    add_model(sqlite_db, upstream, "ok", name="writer")
    make_base(sqlite_db, packaged())
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tea.md").write_text("Tea is hot and green.")
    asked = ("dataset", "generate", "tea", "--model", "writer", "--kb", "docs")
    assert "no passage to draw" in shell.error(*asked)
    fill(sqlite_db, packaged(), tmp_path / "docs")
    told = [{"inputs": {"input": "How is tea?"}, "expected": "hot", "passage": 1}]
    upstream.reply("ok", json.dumps({"cases": told}))
    found = shell.json(*asked, "--document", "tea.md", "--save")
    assert (found["passages"], found["saved"]) == (1, "tea@1")
    row = json.loads(shell("dataset", "export", "tea", "--format", "jsonl"))
    assert (row["relevant"], row["passage"]) == (["tea.md"], "tea.md 0-21")
    assert "has no document" in shell.error(*asked, "--document", "gone.md")
