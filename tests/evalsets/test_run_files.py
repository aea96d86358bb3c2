"""Runs out to files and outputs in from files."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]
from lxml.etree import XMLSchema
from sqlmodel import select

from core.database import Database
from core.errors import Conflict, Invalid
from evalsets.files.escaping import unescape_cell
from evalsets.models import Cell, Dataset, Run
from evalsets.runs.exports import export_run, import_run
from evalsets.runs.report import run_json
from evalsets.verdicts.service import verdict
from tests.support.running import (
    ACTOR,
    add_cases,
    add_model,
    add_prompt,
    begin,
    cell_rows,
    run_row,
    work_on,
)
from tests.support.witness import Witness

HOSTILE = '=HYPERLINK("http://x","<script>alert(1)</script>")\u202e\x07'


async def a_run(db: Database, w: Witness) -> str:
    add_prompt(db, text="{{ topic }}")
    add_model(db, w, "ok")
    add_model(db, w, "evil")
    w.reply("evil", HOSTILE)
    add_cases(db, [{"topic": "a", "expected": "echo: a"}, {"topic": None}])
    run_id = begin(db, "ok", "evil", evaluators=("exact",))
    await work_on(db, run_id)
    return run_id


def exported(db: Database, run_id: str, format: str) -> bytes:
    out = io.BytesIO()
    export_run(db, run_id, format, out)
    return out.getvalue()


CONTRACT = {
    "cell", "arm", "prompt", "version", "model", "case_id", "repeat", "inputs", "expected",
    "messages", "output", "error", "attempts", "finish_reason", "input_tokens", "output_tokens",
    "ttft_ms", "latency_ms", "cost_usd", "cached", "scores", "label", "label_reasons", "correction",
}  # fmt: skip


async def test_jsonl_is_the_contracts_line_a_cell(db: Database, w: Witness) -> None:
    run_id = await a_run(db, w)
    rows = [json.loads(line) for line in exported(db, run_id, "jsonl").splitlines()]
    assert [row["cell"] for row in rows] == [0, 1, 2, 3]
    assert all(set(row) >= CONTRACT for row in rows)
    assert rows[0]["arm"] == "ask@1 | ok"
    assert rows[0]["messages"] == [{"role": "user", "content": "a"}]
    assert (rows[0]["output"], rows[1]["output"]) == ("echo: a", HOSTILE)
    assert rows[0]["scores"] == {"exact": 1.0}
    assert (rows[2]["output"], rows[2]["attempts"]) == (None, 0)
    assert "topic" in rows[2]["error"]


async def test_spreadsheets_hold_no_formula_and_read_back(sqlite_db: Database, w: Witness) -> None:
    run_id = await a_run(sqlite_db, w)
    text = exported(sqlite_db, run_id, "csv").decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert not rows[1]["output"].startswith("=")
    assert unescape_cell(rows[1]["output"]) == HOSTILE
    assert rows[0]["score exact"] == "1.0"
    book = openpyxl.load_workbook(io.BytesIO(exported(sqlite_db, run_id, "xlsx")))
    sheet = book.active
    assert sheet is not None
    assert sheet.max_row == 5
    assert book.sheetnames == ["cells", "arms", "comparisons"]
    arms = list(book["arms"].values)
    assert [row[0] for row in arms] == ["arm", "ask@1 | ok", "ask@1 | evil"]
    assert arms[1][arms[0].index("mean exact")] == 1
    heads, row = book["comparisons"].values
    told = dict(zip(heads, row, strict=True))
    assert (told["by"], told["candidate"], told["verdict"]) == (
        "exact",
        "ask@1 | evil",
        "too few labels",
    )
    assert not any(cell.data_type == "f" for one in book for row in one for cell in row), (
        "a formula in the sheet"
    )


JUNIT = XMLSchema(
    etree.XML(
        b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:attributeGroup name="counts"><xs:attribute name="tests" type="xs:int" use="required"/>
  <xs:attribute name="failures" type="xs:int" use="required"/>
  <xs:attribute name="errors" type="xs:int" use="required"/>
  <xs:attribute name="time" type="xs:decimal" use="required"/></xs:attributeGroup>
<xs:complexType name="why"><xs:simpleContent><xs:extension base="xs:string">
  <xs:attribute name="type" type="xs:string" use="required"/>
  <xs:attribute name="message" type="xs:string" use="required"/>
</xs:extension></xs:simpleContent></xs:complexType>
<xs:element name="testsuites"><xs:complexType><xs:sequence>
  <xs:element name="testsuite"><xs:complexType><xs:sequence>
    <xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:choice minOccurs="0"><xs:element name="skipped"/><xs:element name="error" type="why"/>
        <xs:element name="failure" type="why"/></xs:choice>
      <xs:element name="system-out" type="xs:string" minOccurs="0"/></xs:sequence>
      <xs:attribute name="name" type="xs:string" use="required"/>
      <xs:attribute name="classname" type="xs:string" use="required"/>
      <xs:attribute name="time" type="xs:decimal"/></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="name" type="xs:string" use="required"/>
    <xs:attribute name="id" type="xs:string"/><xs:attribute name="skipped" type="xs:int"/>
    <xs:attribute name="timestamp" type="xs:dateTime"/><xs:attributeGroup ref="counts"/>
  </xs:complexType></xs:element></xs:sequence><xs:attribute name="name" type="xs:string"/>
  <xs:attributeGroup ref="counts"/></xs:complexType></xs:element></xs:schema>"""
    )
)
"""What the schema of Jenkins' JUnit plug-in asks of the elements that we write, no looser."""


async def test_junit_is_xml_with_errors_and_failures(sqlite_db: Database, w: Witness) -> None:
    root = etree.fromstring(exported(sqlite_db, await a_run(sqlite_db, w), "junit"))
    JUNIT.assertValid(root)
    cases = root.findall(".//testcase")
    assert [case.get("classname") for case in cases] == ["ask@1 | ok", "ask@1 | evil"] * 2
    assert [[child.tag for child in case] for case in cases] == [
        ["system-out"], ["failure", "system-out"], ["error"], ["error"],
    ]  # fmt: skip
    suite = root[0]
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == [
        "4", "1", "2", "0",
    ]  # fmt: skip


def lines(tmp_path: Path, *rows: Any) -> Path:
    file = tmp_path / "outputs.jsonl"
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    file.write_text("\n".join(texts) + "\n")
    return file


def row(arm: str, case: str, output: str | None, **more: Any) -> dict[str, Any]:
    return {"arm": arm, "case_id": case, "inputs": {"q": case}, "output": output, **more}


def test_an_imported_run_is_complete_and_ready_to_compare(db: Database, tmp_path: Path) -> None:
    rows = [
        row(arm, f"c{n}", f"{arm} says {n}", repeat=repeat, expected=str(n))
        for arm in ("old | x@1", "new=2 | y")
        for n in range(3)
        for repeat in (1, 2)
    ]
    run_id = import_run(db, ACTOR, "made-elsewhere", lines(tmp_path, *rows))
    with db.read_scope() as session:
        shown = run_json(session, run_id)
        compared = verdict(session, run_id)
        dataset = session.exec(select(Dataset).where(Dataset.name == "made-elsewhere")).one()
    assert (shown["status"], shown["cells"]["succeeded"], shown["repeats"]) == ("completed", 12, 2)
    assert [arm["arm"] for arm in shown["arms"]] == ["old | x@1", "new=2 | y"]
    assert shown["arms"][0]["labels"]["unlabeled"] == 6
    assert shown["dataset"] == "made-elsewhere@1"
    assert shown["cost_usd"] is None
    assert dataset.imported
    assert [one.candidate for one in compared.comparisons] == ["new=2 | y"]
    cells = cell_rows(db, run_id)
    assert [cell.number for cell in cells] == list(range(12))
    again = [json.loads(line) for line in exported(db, run_id, "jsonl").splitlines()]
    assert again[0]["output"] == "old | x@1 says 0"
    assert again[0]["messages"] is None


def test_our_own_export_can_be_imported(db: Database, tmp_path: Path) -> None:
    file = lines(tmp_path, row("a", "1", "x"), row("b", "1", None, error="time-out"))
    first = import_run(db, ACTOR, "Mein *erster* Lauf", file)
    run = run_row(db, first)
    assert (run.title, run.dataset) == ("Mein *erster* Lauf", "Mein-erster-Lauf")
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(exported(db, first, "jsonl"))
    second = import_run(db, ACTOR, "two", copy)
    states = [(cell.state, cell.preview, cell.error) for cell in cell_rows(db, second)]
    assert states == [("succeeded", "x", None), ("failed", None, "time-out")]


def test_cells_that_no_line_gives_are_no_cells(db: Database, tmp_path: Path) -> None:
    file = lines(tmp_path, row("a", "1", "x"), row("b", "2", "y"))
    run_id = import_run(db, ACTOR, "sparse", file)
    assert [(cell.number, cell.arm) for cell in cell_rows(db, run_id)] == [(0, 0), (3, 1)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{not json", "line 2"),
        ('["a"]', "line 2"),
        ({"case_id": "1", "inputs": {}, "output": "x"}, "arm is no text"),
        ({"arm": "a", "inputs": {}, "output": "x"}, "case_id is no text"),
        ({"arm": "a", "case_id": "9", "inputs": "no", "output": "x"}, "inputs is no object"),
        ({"arm": "a", "case_id": "9", "inputs": {}, "output": 5}, "output is no text"),
        ({"arm": "a", "case_id": "9", "inputs": {}, "output": None}, "output is no text"),
        (row("a", "9", "x", repeat=0), "repeat is no whole number"),
        (row("a", "1", "other"), "stand in line 1 already"),
        (
            {"arm": "b", "case_id": "1", "inputs": {"q": "z"}, "output": "x"},
            "other inputs in line 1",
        ),
        (row("a", "9", "x", tool_calls="no"), "tool_calls is no list"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_taken(
    sqlite_db: Database, tmp_path: Path, bad: Any, why: str
) -> None:
    file = lines(tmp_path, row("a", "1", "x"), bad, row("a", "3", "x"))
    with pytest.raises(Invalid, match="line 2") as caught:
        import_run(sqlite_db, ACTOR, "broken", file)
    assert why in caught.value.message
    with sqlite_db.read_scope() as session:
        for table in (Run, Cell, Dataset):
            assert session.exec(select(table)).first() is None


def test_an_imported_run_does_not_take_a_data_sets_name(
    sqlite_db: Database, tmp_path: Path
) -> None:
    add_cases(sqlite_db, 1)
    with pytest.raises(Conflict):
        import_run(sqlite_db, ACTOR, "cases", lines(tmp_path, row("a", "1", "x")))
