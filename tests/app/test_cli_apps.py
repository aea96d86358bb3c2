"""`promptstone app` as a user types it, from the arm of a run to a release and back."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.forked import Forking
from tests.support.shell import Shell


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory, forking: Forking) -> Shell:
    """A data folder with two versions of a prompt and an app of the newer one, to be left so."""
    folder = tmp_path_factory.mktemp("apps")
    shell = Shell(folder / "data", forking)
    file = folder / "faq.txt"
    for text in ("Answer {{ question }}", "Answer well: {{ question }}"):
        file.write_text(text)
        shell("prompt", "push", str(file))
    shell("app", "create", "faq", "--prompt", "faq@2", "--model", "echo", "--param", "seed=1")
    return shell


@pytest.fixture
def shell(unchanged: Shell, tmp_path: Path, forking: Forking) -> Shell:
    """The same, of one's own."""
    shutil.copytree(unchanged.data, tmp_path / "data")
    return Shell(tmp_path / "data", forking)


def run(shell: Shell, tmp_path: Path, *arguments: str) -> str:
    """A completed run of the second version over two cases; its id."""
    (tmp_path / "c.csv").write_text("question,expected\ncats,cats\ndogs,cats\n")
    shell("dataset", "push", "pets", str(tmp_path / "c.csv"))
    return shell.json(
        "run", "start", "--prompt", "faq@2", "--model", "echo", "--dataset", "pets",
        "--evaluator", "contains:cats", "--wait", *arguments,
    )["id"]  # fmt: skip


def test_an_app_is_made_released_and_promoted(shell: Shell):
    assert shell("app", "release", "faq", "--message", "first") == "faq@1\n"
    again = shell.json("app", "release", "faq")
    assert (again["app"], again["release"], again["created"]) == ("faq", 1, False)
    assert len(again["hash"]) == 64
    shell("app", "promote", "faq@1", "production", "--reason", "go")
    (row,) = shell.json("app", "list")["apps"]
    assert (row["name"], row["kind"], row["aliases"]) == ("faq", "completion", {"production": 1})
    found = shell.json("app", "show", "faq@production")
    assert found["settings"]["params"] == {"seed": 1}
    assert found["release"]["hash"] == again["hash"]
    assert found["aliases"][0]["alias"] == "production"
    text = shell("app", "show", "faq")
    assert "Answer well: {{ question }}" in text
    assert "echo (seed=1)" in text


def test_an_app_is_an_arm_by_its_name(shell: Shell, tmp_path: Path):
    shell("app", "release", "faq")
    (tmp_path / "c.csv").write_text("question\ncats\n")
    shell("dataset", "push", "pets", str(tmp_path / "c.csv"))
    asked = ("run", "start", "--dataset", "pets", "--arm", "app:faq", "--arm", "faq@2 | echo")
    found = shell.json(*asked, "--app", "faq@1", "--wait")
    assert [arm["arm"] for arm in found["arms"]] == ["app:faq@1", "faq@2 | echo"]
    assert found["cells"]["succeeded"] == 2


def test_an_app_without_a_release_is_shown(shell: Shell):
    assert shell.json("app", "show", "faq")["release"] is None
    assert "newest release  –" in shell("app", "show", "faq")
    assert "no release" in shell.error("app", "promote", "faq@1", "production")


def test_the_kind_may_be_given_and_what_does_not_fit_is_refused(shell: Shell):
    made = shell.json(
        "app", "create", "talk", "--prompt", "faq", "--model", "echo", "--kind", "chat",
        "--history", "server", "--fallback", "demo",
    )  # fmt: skip
    assert (made["kind"], made["settings"]["history"]) == ("chat", "server")
    wrong = ("app", "create", "x", "--prompt", "faq", "--model", "echo")
    assert "no turns" in shell.error(*wrong, "--history", "server")
    assert "There is no knowledge base" in shell.error(*wrong, "--kb", "none")
    assert "already" in shell.error("app", "create", "faq", *wrong[3:])
    shell.error(*wrong, "--top-k", "3", status=2)
    shell.error(*wrong, "--param", "seed", status=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "none"), "There is no app 'none'"),
        (("show", "faq@7"), "has no release 7"),
        (("show", "faq@beta"), "has no alias 'beta'"),
        (("release", "none"), "There is no app"),
        (("history", "none"), "There is no app"),
        (("rollback", "faq"), "points nowhere"),
        (("promote", "faq@1", "latest"), "alias 'latest'"),
        (("promote", "faq@1", "a", "--gate", "share_good>=1"), "RUN:EXPR"),
        (("export", "faq@1", "/tmp"), "has no release"),
        (("import", "/nowhere"), "cannot be read"),
        (("diff", "faq@1", "faq@2"), "has no release"),
        (("set", "faq", "--settings", "/nowhere"), "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(unchanged: Shell, arguments, said):
    message = unchanged.error("app", *arguments)
    assert said in message
    assert message.count("\n") == 1


def test_a_gate_refuses_with_100_and_passes_with_evidence(shell: Shell, tmp_path: Path):
    shell("app", "release", "faq")
    run_id = run(shell, tmp_path, "--param", "seed=1")
    gate = f"{run_id}:contains>=0.9"
    failed = shell.run("app", "promote", "faq@1", "production", "--gate", gate, "--json")
    assert failed.returncode == 100
    assert "contains is 0.5, which fails contains>=0.9" in failed.stderr
    assert json.loads(failed.stdout)["holds"] is False
    assert shell.json("app", "show", "faq")["aliases"] == []
    shell("app", "promote", "faq@1", "production", "--gate", f"{run_id}:errors==0")
    (move,) = shell.json("app", "history", "faq")["moves"]
    assert move["evidence"]["run"] == run_id
    assert (move["evidence"]["gate"], move["evidence"]["holds"]) == ("errors==0", True)
    other = run(shell, tmp_path)
    message = shell.error("app", "promote", "faq@1", "staging", "--gate", f"{other}:errors==0")
    assert "No arm of the run" in message


def test_the_failed_set_is_asked_before_a_promotion(shell: Shell, tmp_path: Path):
    shell("app", "release", "faq")
    (tmp_path / "c.csv").write_text("question\ncats\ndogs\n")
    shell("dataset", "push", "bad", str(tmp_path / "c.csv"))
    file = tmp_path / "settings.yaml"
    file.write_text("operations: {failed_set: {dataset: bad, evaluators: ['contains:cats']}}\n")
    shell("app", "set", "faq", "--settings", str(file))
    left_out = shell.json("app", "promote", "faq@1", "staging", "--no-replay")
    assert left_out["replay"] is None
    found = shell.run("app", "promote", "faq@1", "production")
    assert "Failed set bad@1: 2 cases, 0 failed, contains 0.50" in found.stderr
    again = shell.json("app", "promote", "faq@1", "production")
    assert (again["replay"]["status"], again["replay"]["scores"]) == (
        "completed",
        {"contains": 0.5},
    )
    assert len(shell.json("run", "list")["runs"]) == 1


def test_a_settings_file_changes_what_it_names_and_a_rollback_goes_back(
    shell: Shell, tmp_path: Path
):
    shell("app", "release", "faq")
    shell("app", "promote", "faq@1", "production")
    file = tmp_path / "settings.yaml"
    file.write_text("guards: [{kind: length, most: 9}]\noperations: {retention_days: 3}\n")
    shell("app", "set", "faq", "--settings", str(file))
    shown = shell.json("app", "show", "faq")
    assert shown["operations"]["retention_days"] == 3
    assert shown["settings"]["params"] == {"seed": 1}
    assert shell("app", "release", "faq") == "faq@2\n"
    difference = shell.json("app", "diff", "faq@1", "faq@2")
    assert [(one["part"], one["name"]) for one in difference["changes"]] == [("guard", "length")]
    assert "guard length" in shell("app", "diff", "faq@1", "faq@2")
    assert shell("app", "diff", "faq@1", "faq@production") == "No difference.\n"
    shell("app", "promote", "faq@2", "production", "--canary", "10")
    assert shell.json("app", "show", "faq")["aliases"][0]["canary"] == 2
    shell("app", "promote", "faq@2", "production")
    assert shell("app", "rollback", "faq", "--reason", "worse") == "faq@1\n"
    moves = shell.json("app", "history", "faq")["moves"]
    assert [one["kind"] for one in moves] == ["rollback", "promote", "canary", "promote"]
    file.write_text("colour: red\n")
    assert "has no field 'colour'" in shell.error("app", "set", "faq", "--settings", str(file))
    file.write_text("model: none\n")
    assert "none" in shell.error("app", "set", "faq", "--settings", str(file))


def test_a_release_goes_out_and_comes_in(shell: Shell, tmp_path: Path):
    shell("app", "release", "faq")
    file = tmp_path / "faq.json"
    shell("app", "export", "faq@1", str(file))
    assert shell("app", "export", "faq@1", "-") == file.read_text()
    found = shell.json("app", "import", str(file), "--name", "copy")
    assert (found["app"], found["release"], found["notices"]) == ("copy", 1, [])
    assert shell("app", "import", str(file)) == "faq@1\n"
    file.write_text(file.read_text().replace("Answer well", "Obey"))
    assert "its hash differs" in shell.error("app", "import", str(file))
