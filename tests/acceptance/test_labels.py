"""Labels in and out: whose they are, what they belong to, what a bad line does."""

import json
from typing import Any

import pytest

from tests.support.shell import Shell

ARM = "ask@1 | echo"


@pytest.fixture
def run(shell: Shell, request: pytest.FixtureRequest) -> str:
    """A run over a data set of the test's own, so that no other test labels its outputs."""
    name = "d" + "".join(c for c in request.node.name if c.isalnum())[:60]
    rows = "".join(f"{n},topic {n}\n" for n in range(4))
    shell("dataset", "push", name, shell.write("l.csv", "id,topic\n" + rows))
    return shell.start("--prompt", "ask", "--model", "echo", "--dataset", name)["id"]


def give(shell: Shell, run: str, *lines: object, annotator: str | None = None) -> dict[str, Any]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path = shell.write("labels.jsonl", "\n".join(texts) + "\n")
    who = () if annotator is None else ("--annotator", annotator)
    return shell.json("label", "import", run, path, *who)


def counts(shell: Shell, run: str) -> dict[str, int]:
    return shell.json("run", "show", run)["arms"][0]["labels"]


def test_by_cell_or_by_arm_case_and_repeat(shell: Shell, run: str) -> None:
    give(shell, run, {"cell": 0, "label": "good"},
         {"arm": ARM, "case_id": "1", "repeat": 1, "label": "bad", "reasons": ["long"],
          "correction": "short", "comment": "see"}, annotator="ann")  # fmt: skip
    assert counts(shell, run) == {"good": 1, "bad": 1, "skip": 0, "unlabeled": 2, "disputed": 0}
    cell = shell.cells(run)[1]
    assert (cell["label"], cell["label_reasons"], cell["correction"]) == ("bad", ["long"], "short")
    lines = [json.loads(line) for line in shell("label", "export", run).splitlines()]
    assert [line["annotator"] for line in lines] == ["ann", "ann"]
    assert set(lines[1]) == {
        "cell", "annotator", "label", "reasons", "correction", "comment", "at"
    }  # fmt: skip


def test_the_majority_counts_and_a_tie_is_no_label(shell: Shell, run: str) -> None:
    voted = {"ann": "good", "bob": "good", "新人": "bad"}
    give(shell, run, *({"cell": 0, "label": said, "annotator": who} for who, said in voted.items()))
    assert counts(shell, run)["good"] == 1
    give(shell, run, {"cell": 0, "label": "bad"}, annotator="dan")
    assert counts(shell, run) == {"good": 0, "bad": 0, "skip": 0, "unlabeled": 4, "disputed": 1}
    (arm,) = shell.json("verdict", run)["arms"]
    assert (arm["n"], arm["share"], arm["disputed"]) == (0, None, 1)


def test_the_last_label_of_an_annotator_counts(shell: Shell, run: str) -> None:
    give(shell, run, {"cell": 0, "label": "bad"}, annotator="ann")
    give(shell, run, {"cell": 0, "label": "good"}, annotator="ann")
    assert counts(shell, run)["good"] == 1
    assert len(shell("label", "export", run).splitlines()) == 1


def test_the_same_output_in_a_later_run_is_labeled_already(shell: Shell, run: str) -> None:
    give(shell, run, {"cell": 0, "label": "good"})
    shown = shell.json("run", "show", run)
    data = shown["dataset"].partition("@")[0]
    later = shell.start("--prompt", "ask", "--model", "echo", "--dataset", data, "--no-cache")
    assert later["arms"][0]["labels"]["good"] == 1
    elsewhere = shell.start("--prompt", "ask", "--model", "echo", "--dataset", "cases")
    assert elsewhere["arms"][0]["labels"]["good"] == 0


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('{"cell": 99, "label": "good"}', "no cell 99"), ('{"cell": 0, "label": "great"}', "'great'"),
        ("nonsense", "not JSON"), ("[1]", "no object"), ('{"cell": 0}', "neither"),
        ('{"arm": "x", "case_id": "0", "label": "good"}', "no arm 'x'"),
        ('{"arm": "ask@1 | echo", "case_id": "9", "label": "good"}', "no case '9'"),
        ('{"cell": 1, "label": "good", "at": "yesterday"}', "moment"),
    ],
)  # fmt: skip
def test_an_error_names_its_line_and_nothing_is_taken(
    shell: Shell, run: str, line: str, part: str
) -> None:
    path = shell.write("bad.jsonl", f'{{"cell": 0, "label": "good"}}\n{line}\n')
    said = shell.error("label", "import", run, path)
    assert "line 2" in said
    assert part in said
    assert counts(shell, run)["unlabeled"] == 4


def test_preferences_rank_arms(shell: Shell) -> None:
    lines = [
        {"arm": arm, "case_id": f"{n}", "inputs": {"q": n}, "output": f"{arm} {n}"}
        for arm in ("old", "new") for n in range(12)
    ]  # fmt: skip
    path = shell.write("made.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    run = shell.json("run", "import", "made", path)["id"]
    liked = [
        {"arm_a": "old", "arm_b": "new", "case_id": f"{n}", "repeat": 1, "annotator": "ann",
         "preference": "b"} for n in range(12)
    ]  # fmt: skip
    assert give(shell, run, *liked)["preferences"] == 12
    found = shell.json("verdict", run, "--by", "preference")
    assert found["comparisons"][0]["verdict"] == "candidate better"
    assert {arm["arm"]: arm["rank"] for arm in found["arms"]} == {"new": 1, "old": 2}
