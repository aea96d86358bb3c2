"""Snippets by the commands: pushed together, shown, run, published, refreshed."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from core.database import Database
from tests.support.forked import Forking

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(forking: Forking, sqlite_db: Database) -> Run:
    return lambda *words: forking.run(sqlite_db.settings.data, *words)


def told(done: CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_files_to_a_run_an_app_and_a_refresh(run: Run, tmp_path: Path) -> None:
    (tmp_path / "news.md").write_text('{% include "tone@latest" %} {{ topic }}')
    (tmp_path / "tone.md").write_text("Be brief.")
    (tmp_path / "cases.csv").write_text("topic\ncats\n")
    files = (str(tmp_path / "news.md"), str(tmp_path / "tone.md"))
    assert [one["name"] for one in told(run("prompt", "push", *files, "--json"))["prompts"]] == [
        "tone", "news",
    ]  # fmt: skip
    shown = told(run("prompt", "show", "news", "--json"))
    assert shown["includes"] == [
        {"ref": "tone@latest", "name": "tone", "version": 1, "text": "Be brief.", "within": None}
    ]
    used = told(run("prompt", "show", "tone", "--json"))["used_by"]
    assert used == [
        {"prompt": "news", "version": 1, "ref": "tone@latest", "pinned": 1, "now": 1,
         "stale": False}
    ]  # fmt: skip
    run("dataset", "push", "cases", str(tmp_path / "cases.csv"))
    made = told(
        run("run", "start", "--prompt", "news", "--model", "echo", "--dataset", "cases",
            "--evaluator", "contains:brief", "--wait", "--json")
    )  # fmt: skip
    assert made["arms"][0]["scores"]["contains"]["mean"] == 1
    run("app", "create", "desk", "--prompt", "news", "--model", "echo")
    assert run("app", "release", "desk").stdout.strip() == "desk@1"

    (tmp_path / "tone.md").write_text("Be long.")
    run("prompt", "push", files[1])
    assert "`promptstone prompt refresh news`" in run("prompt", "show", "tone").stdout
    rendered = ("prompt", "render", "news", "--var", "topic=x", "--json")
    assert told(run(*rendered))["messages"][0]["content"] == "Be brief. x"
    plan = run("prompt", "refresh", "news", "--plan").stdout
    assert "[-brief-]{+long+}" in plan
    assert told(run("prompt", "show", "news", "--json"))["version"] == 1
    (one,) = told(run("prompt", "refresh", "news", "--json"))["prompts"]
    assert (one["version"], one["created"], one["snippets"][0]["after"]) == (2, True, "tone@2")
    assert told(run(*rendered))["messages"][0]["content"] == "Be long. x"
    lost = run("prompt", "push", str(tmp_path / "news.md"), "--name", "tone")
    assert lost.returncode == 1
    assert "would include itself: tone → tone@2" in lost.stderr
