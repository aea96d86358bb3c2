"""`promptstone import` and the export to promptfoo, as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from core.database import Database
from tests.support.forked import Forking

Run = Callable[..., CompletedProcess[str]]
CONFIG = """
description: News
prompts: ["Topic of {{ q }}?", "exec:make.sh"]
providers: [echo, "openai:gpt-4o-mini"]
tests:
  - vars: {q: cats}
    assert: [{type: contains, value: cats}, {type: javascript, value: "1"}]
  - vars: {q: dogs}
    assert: [{type: contains, value: dogs}]
"""


@pytest.fixture
def run(forking: Forking, sqlite_db: Database) -> Run:
    return lambda *words: forking.run(sqlite_db.settings.data, *words)


def test_a_configuration_is_planned_taken_run_and_exported(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text(CONFIG)
    plan = json.loads(run("import", "promptfoo", str(file), "--plan", "--json").stdout)
    assert plan["prompts"] == [{"name": "News/prompt", "version": 1, "created": True}]
    assert json.loads(run("prompt", "list", "--json").stdout) == {"prompts": []}
    done = run("import", "promptfoo", str(file), "--json")
    taken = json.loads(done.stdout)
    assert taken["prompts"] == plan["prompts"]
    assert {one["where"]: one["what"] for one in taken["not_taken"]} == {
        "prompts[1]": "exec:make.sh", "tests[0].assert[1]": "the assertion javascript"
    }  # fmt: skip
    made = run(
        "run", "start", "--prompt", "News/prompt", "--model", "echo", "--dataset", "News",
        "--evaluator", "News.contains", "--wait", "--gate", "News.contains>=1", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    text = run(
        "prompt", "export", "News/prompt", "--format", "promptfoo", "--dataset", "News",
        "--evaluator", "News.contains",
    ).stdout  # fmt: skip
    assert "value: cats" in text


def test_prompts_of_other_programs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text(
        '{"name": "t", "prompt": "Hi {{x}}", "labels": ["production"]}'
    )
    (tmp_path / "o.json").write_text('{"id": "pmpt_1", "name": "o", "instructions": "Be {{x}}"}')
    (tmp_path / "c.csv").write_text("act,prompt\nCook,Cook it\n")
    (tmp_path / "d.prompt").write_text("{{#if a}}x{{/if}}")
    for words in (("langfuse", "l.json"), ("openai", "o.json"), ("prompts", "c.csv", "d.prompt")):
        done = run("import", words[0], *(str(tmp_path / name) for name in words[1:]))
        assert done.returncode == 0, done.stderr
        assert "new" in done.stdout
    names = [one["name"] for one in json.loads(run("prompt", "list", "--json").stdout)["prompts"]]
    assert names == ["c/Cook", "d", "o", "t"]
    assert run("prompt", "push", str(tmp_path / "d.prompt")).stdout == "d@1 (unchanged)\n"
    bad = run("import", "langfuse", str(tmp_path / "c.csv"))
    assert bad.returncode == 1
    assert bad.stderr.count("\n") == 1
