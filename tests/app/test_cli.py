"""The commands as a user types them: documents, sentences, exit statuses."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from tests.support.forked import Forking
from tests.support.serving import COMMAND, command
from tests.support.shell import Shell

PROMPT = """---
name: news/summary
description: Sums up
metadata:
  tags: [a, b]
inputs:
  topic: {type: string}
  words: {type: integer, default: 20}
---
system:
Be brief.
user:
Sum up {{ topic }} in {{ words }} words.
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, forking: Forking) -> Shell:
    """A data folder with a prompt in two versions and a data set."""
    folder = tmp_path_factory.mktemp("cli")
    shell = Shell(folder / "data", forking)
    file = folder / "p.prompty"
    file.write_text(PROMPT)
    shell("prompt", "push", str(file), "--message", "first", "--alias", "production")
    file.write_text(PROMPT.replace("brief", "terse"))
    shell("prompt", "push", str(file))
    (folder / "c.csv").write_text("topic,words,expected\ncats,3,yes\ndogs,4,no\nmice,5,yes\n")
    shell("dataset", "push", "animals", str(folder / "c.csv"))
    return shell


@pytest.fixture(scope="module")
def done(used: Shell) -> dict[str, Any]:
    """A completed run of both versions on the model that needs no server."""
    return used.json(
        "run", "start", "--prompt", "news/summary@1", "--prompt", "news/summary", "--model", "echo",
        "--dataset", "animals", "--evaluator", "contains:cats", "--wait",
    )  # fmt: skip


def test_the_help_names_the_commands_that_work_and_no_other():
    text = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True).stdout
    names = set(re.findall(r"^  (\w+) {2,}\S", text.split("Commands:")[1], re.M))
    assert names == {
        "up", "doctor", "model", "prompt", "dataset", "kb", "run", "label", "verdict", "key",
        "backend", "backup", "restore", "user", "audit", "app", "trace", "tune", "import",
    }  # fmt: skip


def test_the_version_stands_alone(used: Shell):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", used("--version"))


def test_every_command_has_help():
    from importlib import import_module

    from typer.main import get_command

    from app.cli.main import _COMMANDS

    for entry in _COMMANDS.values():
        found = get_command(import_module(entry.module).commands)
        for part in getattr(found, "commands", {"": found}).values():
            assert part.help, part.name


def _cpu(*arguments: str) -> float:
    """Seconds of CPU; the least of three, because other processes only ever add to it."""
    found = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert subprocess.run([sys.executable, *arguments], capture_output=True).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_commands_are_quick_to_begin(used: Shell, done: dict[str, Any]):
    """The bounds are for a machine that imports sqlmodel, aiohttp and typer in 0.41 s of CPU."""
    slower = max(1.0, _cpu("-c", "import sqlmodel, aiohttp, typer") / 0.41)
    assert _cpu("-m", "app.cli.main", "--help") <= 0.5 * slower
    show = ("--data-dir", str(used.data), "run", "show", done["id"], "--json")
    assert _cpu("-m", "app.cli.main", *show) <= 0.8 * slower


def test_the_help_imports_nothing_heavy():
    code = "import app.cli.main, sys; print([m for m in sys.modules if m in {modules}])"
    heavy = "('sqlalchemy', 'pydantic', 'streamlit', 'fastapi', 'pandas', 'numpy', 'rich')"
    found = subprocess.run(
        [sys.executable, "-c", code.replace("{modules}", heavy)], capture_output=True, text=True
    )
    assert found.stdout == "[]\n"


def test_a_prompt_is_shown_as_the_contract_says(used: Shell):
    shown = used.json("prompt", "show", "news/summary@production")
    assert set(shown) >= {
        "name", "version", "hash", "aliases", "messages", "inputs", "model", "tags", "message",
        "author", "created_at",
    }  # fmt: skip
    assert (shown["version"], shown["aliases"], shown["tags"]) == (1, ["production"], ["a", "b"])
    assert shown["messages"][0] == {"role": "system", "content": "Be brief."}
    assert shown["author"].startswith("cli:")
    newest = used.json("prompt", "show", "news/summary")
    assert (newest["version"], newest["variables"]) == (2, ["topic", "words"])
    assert [row["name"] for row in used.json("prompt", "list")["prompts"]] == ["news/summary"]


def test_unchanged_content_makes_no_version_but_moves_the_alias(used: Shell, tmp_path: Path):
    text = used("prompt", "export", "news/summary@2")
    file = tmp_path / "again.prompty"
    file.write_text(text)
    pushed = used.json("prompt", "push", str(file), "--alias", "staging")["prompts"][0]
    assert (pushed["version"], pushed["created"], pushed["aliases"]) == (2, False, ["staging"])
    used("prompt", "alias", "news/summary@1", "staging", "--reason", "back")
    history = used.json("prompt", "history", "news/summary")
    assert [row["version"] for row in history["versions"]] == [2, 1]
    newest = history["alias_moves"][0]
    assert (newest["alias"], newest["to_version"], newest["reason"]) == ("staging", 1, "back")


def test_rendering(used: Shell):
    found = used.json("prompt", "render", "news/summary", "--var", "topic=cats {{ 7*7 }}")
    assert found["messages"][1]["content"] == "Sum up cats {{ 7*7 }} in 20 words."
    assert found["tokens"] > 10
    assert "'topic'" in used.error("prompt", "render", "news/summary")
    assert "words" in used.error(
        "prompt", "render", "news/summary", "--var", "topic=x", "--var", "words=many"
    )


def test_a_difference(used: Shell):
    found = used.json("prompt", "diff", "news/summary@1", "news/summary@2")
    changes = [(p["change"], p["text"]) for p in found["messages"][0]["pieces"]]
    assert ("removed", "brief") in changes
    assert ("added", "terse") in changes
    assert "[-brief-]{+terse+}" in used("prompt", "diff", "news/summary@1", "news/summary@2")


def test_data_sets_go_in_and_out(used: Shell, tmp_path: Path):
    shown = used.json("dataset", "show", "animals@1")
    assert (shown["version"], shown["cases"], shown["columns"]) == (1, 3, ["topic", "words"])
    for form in ("csv", "jsonl", "xlsx"):
        file = tmp_path / f"out.{form}"
        used("dataset", "export", "animals", "--format", form, "--output", str(file))
        pushed = used.json("dataset", "push", f"copy-{form}", str(file))
        assert pushed["created"]
        assert pushed["cases"] == 3
    grid = used.json("dataset", "grid", "g", "--axis", "a=1,2", "--axis", "b=x,y", "--sample", "3")
    assert grid["cases"] == 3
    names = [row["name"] for row in used.json("dataset", "list")["datasets"]]
    assert names == ["animals", "copy-csv", "copy-jsonl", "copy-xlsx", "g"]
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n1,2,3\n")
    assert "line 3" in used.error("dataset", "push", "bad", str(tmp_path / "bad.csv"))
    assert "no data set" in used.error("dataset", "show", "bad")


def test_models(used: Shell):
    names = [model["name"] for model in used.json("model", "list")["models"]]
    assert names[:2] == ["demo", "echo"]
    assert used.json("model", "test", "echo")["ok"]
    used(
        "model", "add", "mine", "--base-url", "http://127.0.0.1:9/v1", "--model", "m",
        "--api-key-env", "NO_SUCH_KEY", "--input-price", "0.15", "--output-price", "0.60",
        "--param", "temperature=0.5",
    )  # fmt: skip
    (mine,) = [m for m in used.json("model", "list")["models"] if m["name"] == "mine"]
    assert (mine["input_price"], mine["output_price"]) == ("0.15", "0.60")
    assert mine["params"] == {"temperature": 0.5}
    assert "NO_SUCH_KEY" in used.error("model", "test", "mine")
    found = used.json("model", "test", "mine", status=1) if os.environ.get("NO_SUCH_KEY") else None
    assert found is None
    used("model", "remove", "mine")
    assert "mine" in used.error("model", "test", "mine")
    assert "169.254" in used.error(
        "model", "add", "evil", "--base-url", "http://169.254.169.254/v1", "--model", "m"
    )


def test_usage_errors_end_with_2(used: Shell):
    for arguments in (
        ("nonsense",), ("prompt", "push"), ("run", "start", "--nonsense"),
        ("model", "add", "x"), ("model", "add", "x", "--provider", "nocolon"),
        ("prompt", "render", "news/summary", "--var", "x"),
        ("run", "start", "--prompt", "p", "--model", "echo", "--dataset", "d", "--gate", "a>1"),
        ("up", "--role", "king"), ("run", "resume", "x", "--budget", "much"),
    ):  # fmt: skip
        assert used.error(*arguments, status=2)


def test_a_plan_starts_nothing(used: Shell):
    before = used.json("run", "list")["runs"]
    plan = used.json(
        "run", "start", "--prompt", "news/summary", "--model", "echo", "--model", "demo",
        "--dataset", "animals", "--plan", "--no-cache",
    )  # fmt: skip
    assert set(plan) >= {
        "cells", "calls", "cached", "unrunnable", "tokens", "cost_usd", "unpriced", "minutes",
    }  # fmt: skip
    assert (plan["cells"], plan["calls"]) == (6, 6)
    assert used.json("run", "list")["runs"] == before


@pytest.mark.parametrize("how", ["--plan", "--wait"])
def test_a_mapping_that_no_prompt_reads_is_told_before_the_run(used: Shell, how: str):
    asked = (
        "run", "start", "--prompt", "news/summary", "--model", "echo", "--dataset", "animals",
        "--limit", "1", how,
    )  # fmt: skip
    told = used.run(*asked, "--map", "topick=topic")
    assert (told.returncode, "No prompt reads topick" in told.stderr) == (0, True)
    assert "No prompt reads" not in used.run(*asked, "--map", "topic=topic").stderr


def test_arms_are_given_one_by_one_in_their_order(used: Shell):
    arms = (
        "--arm",
        "news/summary@production|echo",
        "--arm",
        "news/summary | echo | temperature=0.2",
    )
    asked = ("run", "start", "--dataset", "animals", *arms)
    assert used.json(*asked, "--plan")["cells"] == 6
    found = used.json(*asked, "--wait", "--gate", "errors==0", "--idempotency-key", "arms")
    assert [arm["arm"] for arm in found["arms"]] == [
        "news/summary@1 | echo", "news/summary@2 | echo | temperature=0.2",
    ]  # fmt: skip
    assert used.json(*asked, "--idempotency-key", "arms")["id"] == found["id"]
    verdict = used.json("verdict", found["id"])
    assert verdict["comparisons"][0]["baseline"] == "news/summary@1 | echo"
    both = used.json(
        *asked, "--prompt", "news/summary@1", "--model", "echo", "--model", "demo", "--plan"
    )
    assert both["cells"] == 9, "an arm that the product makes again counts once"


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (("news/summary@2",), "is no arm. Write PROMPT | MODEL"),
        (("nobody | echo",), "prompt list"), (("news/summary@9 | echo",), "newest is 2"),
        (("news/summary | nobody",), "model list"), (("news/summary | echo | hot",), "KEY=VALUE"),
        (("news/summary|echo", "--arm", "news/summary@2 | echo"), "is given twice. Leave one out."),
        (("app:faq",), "app list"),
        (("news/summary | echo", "--param", "seed=1"), "Write it into each arm"),
    ],
)  # fmt: skip
def test_an_arm_that_cannot_run_is_refused_in_a_sentence(used: Shell, arms: Any, said: str):
    text = used.error("run", "start", "--dataset", "animals", "--arm", *arms)
    assert said in text
    assert len(text.strip().splitlines()) == 1


def test_a_run_is_shown_as_the_contract_says(used: Shell, done: dict[str, Any]):
    assert done["status"] == "completed"
    assert done["cells"] == {"total": 6, "succeeded": 6, "failed": 0, "pending": 0}
    assert set(done) >= {
        "id", "status", "reason", "prompts", "models", "dataset", "repeats", "cells", "cached",
        "interrupted", "calls", "tokens", "cost_usd", "seconds", "arms", "evaluation",
    }  # fmt: skip
    assert [arm["arm"] for arm in done["arms"]] == [
        "news/summary@1 | echo",
        "news/summary@2 | echo",
    ]
    for arm in done["arms"]:
        assert set(arm) >= {
            "prompt", "version", "model", "cells", "succeeded", "failed", "labels", "share_good",
            "share_good_ci95", "scores", "latency_ms", "ttft_ms", "tokens", "cost_usd",
            "cost_per_good_usd",
        }  # fmt: skip
        assert arm["scores"]["contains"]["n"] == 3
    assert used.json("run", "show", done["id"]) == done
    assert done["id"] in [run["id"] for run in used.json("run", "list")["runs"]]


def test_a_run_goes_out_in_every_format(used: Shell, done: dict[str, Any], tmp_path: Path):
    lines = used("run", "export", done["id"], "--format", "jsonl").splitlines()
    assert len(lines) == 6
    assert set(json.loads(lines[0])) >= {
        "cell", "arm", "prompt", "version", "model", "case_id", "repeat", "inputs", "expected",
        "messages", "output", "error", "attempts", "finish_reason", "input_tokens",
        "output_tokens", "ttft_ms", "latency_ms", "cost_usd", "cached", "scores", "label",
        "label_reasons", "correction",
    }  # fmt: skip
    for form in ("csv", "xlsx", "html", "junit"):
        file = tmp_path / f"out.{form}"
        used("run", "export", done["id"], "--format", form, "--output", str(file))
        assert file.stat().st_size > 500
    gated = ("run", "export", done["id"], "--format", "junit", "--output", str(file), "--gate")
    used(*gated, "errors==0")
    assert '<testcase classname="gate" name="errors==0"></testcase>' in file.read_text()
    used(*gated, "errors==0 and p50_ms<0", status=100)
    made = file.read_text()
    assert 'classname="gate" name="p50_ms&lt;0"><failure type="gate" message=' in made
    assert made.count('classname="gate"') == 2
    assert 'tests="8"' in made
    assert "cannot be written" in used.error(
        "run", "export", done["id"], "--format", "csv", "--output", str(tmp_path / "no" / "x.csv")
    )


def test_outputs_made_elsewhere_become_a_run(used: Shell, tmp_path: Path):
    file = tmp_path / "made.jsonl"
    lines = [
        {"arm": arm, "case_id": f"c{n}", "inputs": {"q": n}, "output": f"{arm} {n}"}
        for arm in ("old", "new")
        for n in range(3)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = used.json("run", "import", "elsewhere", str(file))
    assert run["status"] == "completed"
    assert [arm["arm"] for arm in run["arms"]] == ["old", "new"]
    assert run["cells"]["succeeded"] == 6
    assert used.json("verdict", run["id"])["comparisons"][0]["verdict"] == "too few labels"
    file.write_text(file.read_text() + "nonsense\n")
    assert "line 7" in used.error("run", "import", "elsewhere2", str(file))
    assert run["dataset"].split("@")[0] == "elsewhere"


def test_gates_end_with_100_and_name_the_figure(used: Shell, done: dict[str, Any]):
    common = ("run", "start", "--prompt", "news/summary", "--model", "echo", "--dataset", "animals")
    used(*common, "--wait", "--gate", "errors==0")
    failed = used.run(*common, "--wait", "--gate", "share_good>=0.8", "--json")
    assert failed.returncode == 100
    assert json.loads(failed.stdout)["status"] == "completed"
    assert "share_good" in failed.stderr
    assert "gate" in used.error(*common, "--wait", "--gate", "nonsense")


def test_without_a_server_a_run_stays_queued_until_somebody_takes_it(used: Shell):
    common = ("--prompt", "news/summary", "--model", "echo", "--dataset", "animals")
    found = used.run("run", "start", *common, "--json", "--idempotency-key", "k")
    assert found.returncode == 0
    assert "stays queued" in found.stderr
    run = json.loads(found.stdout)
    assert {"id", "cells", "calls", "cost_usd"} <= set(run)
    again = used.json("run", "start", *common, "--idempotency-key", "k")
    assert again["id"] == run["id"]
    assert used.json("run", "show", run["id"])["status"] == "queued"
    assert used.json("run", "resume", run["id"], "--wait")["status"] == "completed"
    resumed = used.json("run", "resume", run["id"], "--wait")
    assert resumed["status"] == "completed"
    other = used.json("run", "start", *common)["id"]
    used("run", "cancel", other)
    assert used.json("run", "show", other)["status"] == "cancelled"
    assert "final" in used.error("run", "resume", other)


def test_labels_and_the_verdict(used: Shell, done: dict[str, Any], tmp_path: Path):
    file = tmp_path / "labels.jsonl"
    lines = [
        {"arm": arm["arm"], "case_id": case, "repeat": 1, "label": label, "reasons": ["x"]}
        for arm, label in zip(done["arms"], ("bad", "good"), strict=True)
        for case in _case_ids(used)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    taken = used.json("label", "import", done["id"], str(file), "--annotator", "ann")
    assert taken["labels"] == 6
    out = [json.loads(line) for line in used("label", "export", done["id"]).splitlines()]
    assert {"cell", "annotator", "label", "reasons", "correction", "comment", "at"} <= set(out[0])
    assert {line["annotator"] for line in out} == {"ann"}
    verdict = used.json("verdict", done["id"])
    assert set(verdict) >= {"run", "by", "arms", "comparisons"}
    (comparison,) = verdict["comparisons"]
    assert comparison["baseline"] == "news/summary@1 | echo"
    assert comparison["verdict"] == "too few labels"
    shown = used("verdict", done["id"])
    assert "too few labels" in shown
    swapped = used.json("verdict", done["id"], "--baseline", "news/summary@2 | echo")
    assert swapped["comparisons"][0]["candidate"] == "news/summary@1 | echo"
    failed = used.run("verdict", done["id"], "--gate", "share_good>=2")
    assert failed.returncode == 100
    file.write_text(file.read_text() + '{"cell": 99999, "label": "good"}\n')
    bad = used.error("label", "import", done["id"], str(file), "--annotator", "other")
    assert f"line {len(lines) + 1}" in bad
    assert '"other"' not in used("label", "export", done["id"])
    assert "no arm" in used.error("verdict", done["id"], "--baseline", "nobody")


def _case_ids(shell: Shell) -> list[str]:
    return [case["case_id"] for case in shell.json("dataset", "show", "animals")["first"]]


def test_who_did_it_stands_in_the_records(used: Shell):
    file = used.data.parent / "by.txt"
    file.write_text("Hello {{ name }}")
    used("--as", "alice", "prompt", "push", str(file), "--name", "greeting", "--alias", "live")
    assert used.json("prompt", "show", "greeting")["author"] == "alice"
    newest = used.json("audit", "list", "--limit", "1")["audits"][0]
    assert (newest["actor"], newest["action"], newest["object"]) == (
        "alice", "prompt.alias", "greeting",
    )  # fmt: skip


def test_backup_and_restore(used: Shell, done: dict[str, Any], tmp_path: Path):
    file = tmp_path / "b.zip"
    note = used.json("backup", str(file))
    other = Shell(tmp_path / "elsewhere", used.forking)
    assert other.json("restore", str(file))["tables"] == note["tables"]
    assert other.json("run", "show", done["id"]) == used.json("run", "show", done["id"])
    assert "empty" in other.error("restore", str(file))
    assert "cannot be read" in other.error("restore", str(tmp_path / "none"))


def test_doctor_tells_what_is_wrong(used: Shell, tmp_path: Path):
    found = used.json("doctor")
    assert found["ok"]
    assert {"data folder", "database", "models", "server"} <= {f["what"] for f in found["findings"]}
    fresh = Shell(tmp_path / "fresh", used.forking)
    assert fresh.json("doctor")["ok"]
    assert not fresh.data.exists()
    broken = Shell(tmp_path / "broken", used.forking)
    broken("prompt", "list")
    (broken.data / "promptstone.db").write_bytes(b"")
    found = broken.json("doctor", status=1)
    (wrong,) = [one for one in found["findings"] if one["state"] == "wrong"]
    assert "restore FILE" in wrong["message"]


def test_a_control_character_does_not_reach_the_terminal(used: Shell):
    file = used.data.parent / "esc.txt"
    file.write_text("a\x1b[31mred\u202e{{ x }}")
    used("prompt", "push", str(file), "--name", "esc", "--message", "m\x1b]0;t\x07")
    for shown in (used("prompt", "show", "esc"), used("prompt", "history", "esc")):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "\\x1b" in shown
    assert used.json("prompt", "show", "esc")["messages"][0]["content"] == file.read_text()


def test_a_wrong_setting_is_a_sentence(used: Shell):
    assert "PROMPTSTONE_PORT" in used.error("prompt", "list", PROMPTSTONE_PORT="x")


def test_an_unforeseen_error_is_a_sentence_and_shows_more_when_asked(used: Shell, tmp_path: Path):
    data = tmp_path / "d"
    database = Database(Settings(data_dir=data, database_url=None))
    migrate(database)
    with database.exclusive_connection() as connection:
        connection.exec_driver_sql("DROP TABLE prompt_aliases")
        connection.exec_driver_sql("ALTER TABLE prompts RENAME TO gone")
    database.close()
    shell = Shell(data, used.forking)
    message = shell.run("prompt", "list").stderr
    assert "Traceback" not in message
    assert "PROMPTSTONE_DEBUG" in message
    assert message.count("\n") == 1
    debug = command(data, "prompt", "list", PROMPTSTONE_DEBUG="1")
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr


def test_commands_work_on_postgresql(postgres_database_url: str, tmp_path: Path, forking: Forking):
    shell = Shell(tmp_path / "d", forking)
    file = tmp_path / "hi.txt"
    file.write_text("Hi {{ name }}")
    url = {"PROMPTSTONE_DATABASE_URL": postgres_database_url}
    assert shell("prompt", "push", str(file), **url) == "hi@1\n"
    (tmp_path / "c.jsonl").write_text('{"name": "Bo"}\n')
    shell("dataset", "push", "people", str(tmp_path / "c.jsonl"), **url)
    shown = shell(
        "run", "start", "--prompt", "hi", "--model", "echo", "--dataset", "people", "--wait",
        "--json", **url,
    )  # fmt: skip
    assert json.loads(shown)["status"] == "completed"
    wrong = {"PROMPTSTONE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    assert "PROMPTSTONE_DATABASE_URL" in shell.error("prompt", "list", **wrong)


def test_two_runs_are_held_against_each_other(used: Shell, done: dict[str, Any]) -> None:
    again = used.json(
        "run", "start", "--prompt", "news/summary", "--model", "echo", "--dataset", "animals",
        "--evaluator", "contains:cats", "--wait",
    )  # fmt: skip
    found = used.json("run", "compare", done["id"], again["id"], "--by", "contains")
    assert (found["by"], found["cases"]["both"]) == ("contains", 3)
    assert [one["arm"] for one in found["arms"]] == ["news/summary@2 | echo"]
    assert found["only_before"] == ["news/summary@1 | echo"]
    assert found["arms"][0]["difference"] == 0
    assert "newly failing" in used("run", "compare", done["id"], again["id"])
    refused = used.error("run", "compare", done["id"], done["id"])
    assert "Choose another run" in refused


def test_a_report_is_one_file_in_either_language(
    used: Shell, done: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    used("run", "export", done["id"], "--format", "html", "--lang", "zh", "--output", str(file))
    assert "<h2>结论</h2>" in file.read_text(encoding="utf-8")
    refused = used.error("run", "export", done["id"], "--format", "html", "--lang", "fr", status=2)
    assert "'fr' is not one of 'en', 'zh'" in refused


@pytest.mark.parametrize(
    "what",
    ["app", "audit", "backend", "dataset", "kb", "key", "model", "prompt", "run", "trace", "tune"],
)
def test_a_list_is_one_document_under_its_own_plural(used: Shell, what: str) -> None:
    found = used.json(what, "list")
    assert list(found) == [f"{what}s"]
    assert isinstance(found[f"{what}s"], list)
