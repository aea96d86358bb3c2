"""Cases in and out: what is a value, what is missing, what a file may not be, what comes back."""

import csv
import io
import json
from typing import Any

import pytest

from tests.support.shell import Shell

TWO = """---
name: two
inputs:
  a: {kind: string}
  n: {kind: number, default: 7}
---
user:
{{ a }}|{{ n }}
"""


def outputs(shell: Shell, run: dict[str, Any]) -> dict[str, str | None]:
    return {cell["case_id"]: cell["output"] for cell in shell.cells(run["id"])}


def test_null_is_the_default_or_missing_and_empty_text_is_a_value(shell: Shell) -> None:
    shell("prompt", "push", shell.write("two.prompty", TWO))
    rows = [
        {"id": "whole", "a": "x", "n": 1}, {"id": "empty", "a": "", "n": None}, {"id": "absent", "n": 2},
        {"id": "null", "a": None}, {"id": "wrong", "a": "x", "n": "many"}, {"id": "nested", "a": {"q": 1}},
    ]  # fmt: skip
    path = shell.write("two.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    shell("dataset", "push", "two", path)
    asked = ("--prompt", "two", "--model", "echo", "--dataset", "two")
    plan = shell.json("run", "start", *asked, "--plan")
    assert (plan["cells"], plan["unrunnable"]) == (6, 3)
    run = shell.start(*asked)
    assert run["cells"]["failed"] == 3
    assert outputs(shell, run) == {
        "whole": "x|1", "empty": "|7", "absent": None, "null": None, "wrong": None,
        "nested": '{"q": 1}|7',
    }  # fmt: skip
    unsent = [cell for cell in shell.cells(run["id"]) if cell["error"]]
    assert all(cell["attempts"] == 0 for cell in unsent)


def test_texts_of_a_csv_take_the_declared_type(shell: Shell) -> None:
    shell("prompt", "push", shell.write("two.prompty", TWO))
    shell("dataset", "push", "texts", shell.write("t.csv", "id,a,n\n1,x,2.50\n2,,\n3,y,1\n"))
    run = shell.start("--prompt", "two", "--model", "echo", "--dataset", "texts")
    assert outputs(shell, run) == {"1": "x|2.5", "2": "|7", "3": "y|1"}


def test_missing_in_every_case_is_refused_until_it_is_mapped(shell: Shell) -> None:
    shell("prompt", "push", shell.write("two.prompty", TWO))
    shell("dataset", "push", "other", shell.write("other.csv", "b,topic\nx,y\n"))
    asked = ("--model", "echo", "--dataset", "other", "--prompt", "two")
    assert "'a'" in shell.error("run", "start", *asked)
    both = (*asked, "--prompt", "ask")
    run = shell.start(*both, "--map", "two:a=b", "--map", "ask:topic=b")
    assert [cell["output"] for cell in shell.cells(run["id"])] == ["x|7", "About x"]
    assert "'zz'" in shell.error("run", "start", *asked, "--map", "zz:a=b")


def test_the_same_content_makes_no_version(shell: Shell) -> None:
    path = shell.write("v.csv", "id,q,r\n1,a,b\n")
    assert shell.json("dataset", "push", "v", path)["created"]
    assert not shell.json("dataset", "push", "v", path)["created"]
    renamed = shell.json("dataset", "push", "v", path, "--map", "question=q", "--expected", "r")
    assert (renamed["version"], renamed["columns"]) == (2, ["question"])
    assert shell.json("dataset", "show", "v@1")["columns"] == ["q", "r"]


def test_equal_rows_without_an_id_are_told_apart(shell: Shell) -> None:
    shell("dataset", "push", "rows", shell.write("rows.csv", "q\na\na\nb\n"))
    exported = shell("dataset", "export", "rows", "--format", "csv")
    ids = [row["id"] for row in csv.DictReader(io.StringIO(exported))]
    assert ids[1] == f"{ids[0]}-2"
    assert len(set(ids)) == 3


def test_a_grid_is_every_combination_or_a_seeded_sample(shell: Shell) -> None:
    axes = ("--axis", "position=编辑,记者", "--axis", "style=a,b,c", "--axis", 'note="x,y",z')
    assert shell.json("dataset", "grid", "all", *axes)["cases"] == 12
    drawn = ("--sample", 5, "--seed", 7)
    one = shell.json("dataset", "grid", "one", *axes, *drawn)
    assert one["cases"] == 5
    assert one["hash"] == shell.json("dataset", "grid", "two-of-it", *axes, *drawn)["hash"]
    other = shell.json("dataset", "grid", "three", *axes, "--sample", 5, "--seed", 8)
    assert other["hash"] != one["hash"]
    assert "12" in shell.error("dataset", "grid", "none", *axes, "--sample", 13)


FORMULAS = ["=1+1", "+1", "-5", "@x", "\t=1", "\r=1", "'=q", "''x", "＝1", "plain"]


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl"])
def test_cells_like_formulas_go_out_harmless_and_come_back_unchanged(
    shell: Shell, form: str
) -> None:
    rows = [{"id": str(n), "q": text, "expected": text} for n, text in enumerate(FORMULAS)]
    path = shell.write("formulas.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    shell("dataset", "push", "formulas", path)
    back = shell.here / f"back.{form}"
    shell("dataset", "export", "formulas", "--format", form, "--output", back)
    if form == "csv":
        with back.open(newline="") as file:
            cells = [row["q"] for row in csv.DictReader(file)]
        assert not [text for text in cells if text.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not shell.json("dataset", "push", "formulas", back)["created"]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("ragged.csv", "a,b\n1,2\n1,2,3\n", ("line 3", "3 cells")),
        ("twice.csv", "id,t\n1,a\n1,b\n", ("line 3", "'1'")),
        ("open.csv", 'a,b\n1,"x\n2,3\n', ("line 2", "quote")),
        ("empty.csv", "", ("empty",)), ("head.csv", "a,b\n", ("no case",)),
        ("nul.csv", b"a,b\n1,x\x00y\n", ("NUL",)), ("bytes.csv", bytes(range(256)) * 20, ("not text",)),
        ("wide.csv", ",".join(f"c{n}" for n in range(10_000)) + "\n", ("columns",)),
        ("cut.jsonl", '{"a": 1}\n{"a": 2\n', ("line 2", "breaks off")),
        ("deep.json", "[" * 100_000, ("nested",)), ("nan.jsonl", '{"a": NaN}', ("NaN",)),
        ("half.jsonl", '{"a": "\\ud800"}\n', ("line 1", "surrogate")),
        ("split.csv", "a,split\n1,later\n", ("line 2", "'later'")),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence_and_leaves_nothing(
    shell: Shell, name: str, content: str | bytes, parts: tuple[str, ...]
) -> None:
    before = shell("dataset", "list")
    said = shell.error("dataset", "push", "bad", shell.write(name, content))
    assert name in said
    assert all(part in said for part in parts)
    assert shell("dataset", "list") == before


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gb18030", "问题,内容\n今天的天气怎么样,天气很好\n"),
        ("cp932", "問題,内容\n今日の天気はどうですか,とても良い天気です\n"),
        ("utf-16", "a,b\nü,é\n"), ("utf-8-sig", "a,b\nü,é\n"), ("cp1252", "a,b\ncafé,über\n"),
    ],
)  # fmt: skip
def test_encodings_are_told(shell: Shell, encoding: str, text: str) -> None:
    shell("dataset", "push", "told", shell.write("told.csv", text.encode(encoding)))
    case = json.loads(shell("dataset", "export", "told", "--format", "jsonl"))
    heads, values = (line.split(",") for line in text.splitlines())
    assert [case[head] for head in heads] == values
