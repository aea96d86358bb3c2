"""The whole way by commands: push, grid, plan, run, label, verdict, gate, promote, out and in."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import add_model
from tests.support.forked import Forking
from tests.support.shell import Shell
from tests.support.witness import Witness

SHORT = """---
name: news/short
inputs:
  position: {type: string}
  field: {type: string, description: Where the person works}
---
system:
Be brief.
user:
Write for {{ position }} in {{ field }}.
"""


@pytest.fixture(scope="module")
def trip(shell: Shell, provider: Witness) -> dict[str, Any]:
    """Two versions on two models over a grid of 12 cases, run and labeled."""
    provider.reset()
    add_model(shell, provider, "second", "think-1", "--input-price", 1, "--output-price", 2)
    prompt = shell.write("short.prompty", SHORT)
    shell("prompt", "push", prompt, "--message", "first", "--alias", "production")
    shell("prompt", "push", shell.write("short.prompty", SHORT.replace("Write", "Please write")))
    shell("dataset", "grid", "people", "--axis", "position=editor,nurse,cook,pilot",
          "--axis", "field=media,health,travel")  # fmt: skip
    asked = ("--prompt", "news/short@production", "--prompt", "news/short", "--model", "priced",
             "--model", "second", "--dataset", "people")  # fmt: skip
    plan = shell.json("run", "start", *asked, "--plan")
    run = shell.start(*asked, "--evaluator", "contains:echo", "--gate", "errors==0")
    good = {"news/short@1 | priced": 3, "news/short@2 | priced": 12}
    lines = [
        {"cell": cell["cell"], "label": "good" if count < good[cell["arm"]] else "bad"}
        for arm in good
        for count, cell in enumerate(c for c in shell.cells(run["id"]) if c["arm"] == arm)
    ]
    labels = shell.write("labels.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    shell("label", "import", run["id"], labels, "--annotator", "ann")
    return {"plan": plan, "run": run}


def test_the_plan_told_what_the_run_took(trip: dict[str, Any], provider: Witness) -> None:
    assert set(trip["plan"]) >= {
        "cells", "calls", "cached", "unrunnable", "tokens", "cost_usd", "unpriced", "minutes"
    }  # fmt: skip
    assert (trip["plan"]["cells"], trip["plan"]["calls"], trip["plan"]["cached"]) == (48, 48, 0)
    run = trip["run"]
    assert run["status"] == "completed"
    assert run["cells"] == {"total": 48, "succeeded": 48, "failed": 0, "pending": 0}
    counted = provider.counts()
    assert run["calls"] == counted.requests == 48
    assert run["tokens"] == {"input": counted.input_tokens, "output": counted.output_tokens}


def test_arms_stand_in_the_order_of_prompts_and_models(trip: dict[str, Any]) -> None:
    assert [arm["arm"] for arm in trip["run"]["arms"]] == [
        "news/short@1 | priced", "news/short@1 | second",
        "news/short@2 | priced", "news/short@2 | second",
    ]  # fmt: skip


def test_the_verdict_names_the_winner(shell: Shell, trip: dict[str, Any]) -> None:
    found = shell.json("verdict", trip["run"]["id"])
    assert found["baseline"] == "news/short@1 | priced"
    by_candidate = {one["candidate"]: one for one in found["comparisons"]}
    winner = by_candidate["news/short@2 | priced"]
    assert winner["verdict"] == "candidate better"
    assert (winner["both"], winner["only_candidate"], winner["only_baseline"]) == (3, 9, 0)
    assert winner["p_value"] == pytest.approx(2 / 2**9)
    assert winner["difference"] == pytest.approx(0.75)
    assert winner["method"] == "mcnemar_exact"
    # The answers of `second` are the same texts, so its cells carry the same labels.
    assert by_candidate["news/short@1 | second"]["difference"] == 0


def test_gates_hold_only_if_every_arm_passes(shell: Shell, trip: dict[str, Any]) -> None:
    run = trip["run"]["id"]
    shell("verdict", run, "--gate", "contains>=1", "--gate", "errors==0")
    failed = shell.run("verdict", run, "--gate", "share_good>=0.9")
    assert failed.returncode == 100
    assert "news/short@1 | priced" in failed.stderr
    assert "news/short@2 | priced" not in failed.stderr


def test_the_winner_is_promoted_and_can_be_taken_back(shell: Shell, trip: dict[str, Any]) -> None:
    shell("prompt", "alias", "news/short@2", "production", "--reason", "12 of 12 good")
    assert shell.json("prompt", "show", "news/short@production")["version"] == 2
    history = shell.json("prompt", "history", "news/short")
    move = history["alias_moves"][0]
    assert (move["from_version"], move["to_version"], move["reason"]) == (1, 2, "12 of 12 good")
    assert shell.json("audit", "list", "--limit", 1)["audits"][0]["action"] == "prompt.alias"
    # The run says what it ran, whatever aliases do later.
    now = shell.json("run", "show", trip["run"]["id"])["arms"]
    assert [arm["arm"] for arm in now] == [arm["arm"] for arm in trip["run"]["arms"]]


def test_what_went_out_comes_in_again(shell: Shell, trip: dict[str, Any]) -> None:
    cells = shell.cells(trip["run"]["id"])
    path = shell.write("outputs.jsonl", "".join(json.dumps(cell) + "\n" for cell in cells))
    taken = shell.json("run", "import", "elsewhere", path)
    assert taken["status"] == "completed"
    assert taken["cells"] == trip["run"]["cells"]
    assert taken["calls"] == 0
    again = shell.cells(taken["id"])
    assert [(c["arm"], c["case_id"], c["output"]) for c in again] == [
        (c["arm"], c["case_id"], c["output"]) for c in cells
    ]


def test_a_backup_holds_all_of_it(shell: Shell, trip: dict[str, Any], forking: Forking,
                                  tmp_path: Path) -> None:  # fmt: skip
    run = trip["run"]["id"]
    shell("backup", tmp_path / "all.backup")
    other = Shell(tmp_path / "restored", forking, tmp_path)
    other("restore", tmp_path / "all.backup")
    assert other.json("run", "show", run) == shell.json("run", "show", run)
    assert other.cells(run) == shell.cells(run)
    assert other("label", "export", run) == shell("label", "export", run)
    assert other.json("prompt", "show", "news/short@production")["version"] == 2
    assert "empty" in other.error("restore", tmp_path / "all.backup")


def test_a_run_needs_no_long_start(shell: Shell, trip: dict[str, Any]) -> None:
    """In a process of its own, with the document alone on stdout."""
    shown = shell.alone("run", "show", trip["run"]["id"], "--json")
    assert json.loads(shown.stdout)["id"] == trip["run"]["id"]
    assert shown.stderr == ""
