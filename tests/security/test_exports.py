"""Everything that leaves as a file: no cell is a formula, no text is markup, no key is anywhere."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest

from app.report.exporting import export_run
from app.telling import escape
from core.database import Database
from core.errors import Invalid
from evalsets.datasets.cases import export_dataset
from evalsets.datasets.service import get
from evalsets.files.reading import read_stream
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import lines_of
from evalsets.runs.exports import import_run
from tests.evalsets.test_export import FORMULA_STARTS
from tests.evalsets.test_export import PAYLOADS as FORMULAS

MARKUP = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</pre><svg/onload=alert(1)>",
    "</td></tr></table><iframe src=//evil.example>", "<!--", "-->", "<![CDATA[", "]]>", "&lt;b&gt;",
    "&#60;script&#62;", "\"><a href='javascript:alert(1)'>x</a>", "' onmouseover=alert(1) x='",
    "<style>*{background:url(//evil.example)}</style>", "<meta http-equiv=refresh content=0>",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;", "<?xml version='1.0'?>",
    "<link rel=stylesheet href=//evil.example>", "<base href=//evil.example>", "{title}", "{0}",
    "\ufffe<script>", "\u202e<b>\u2066", "\x1b[2J\x07", "<x:script xmlns:x='y'/>", "<\x00script>",
]  # fmt: skip
TEXTS = [text for text in (*FORMULAS, *MARKUP) if text.strip()]


@pytest.fixture
def run(sqlite_db: Database, tmp_path: Path) -> str:
    """A run with every payload as arm, case id, input, column, expected, output and error."""
    lines = []
    for number, text in enumerate(TEXTS):
        line = {
            "arm": text,
            "case_id": f"{text}{number}".replace("\x00", "0"),
            "inputs": {text: text},
            "expected": text,
        }
        lines.append({**line, **({"error": text} if number % 5 == 4 else {"output": text})})
    file = tmp_path / "outputs.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    made = import_run(sqlite_db, "user:=cmd()", "made", file)
    labels = [
        {"cell": number * len(TEXTS) + number, "label": "bad", "comment": text, "reasons": [text],
         "correction": text, "annotator": "a"}
        for number, text in enumerate(TEXTS)
        if number % 5 != 4
    ]  # fmt: skip
    with sqlite_db.session_scope("user:a") as session:
        import_labels(session, made, lines_of("\n".join(map(json.dumps, labels))), None)
    return made


@pytest.mark.parametrize(
    ("field", "value"),
    [("output", "\ud800"), ("case_id", "\ud800"), ("case_id", "\x00"), ("arm", "\ud800"),
     ("inputs", {"\ud800": 1}), ("inputs", {"a": 2**70}), ("expected", "\ud800"),
     ("tool_calls", [["\ud800"]])],
)  # fmt: skip
def test_what_cannot_be_kept_is_named_by_its_line(
    db: Database, tmp_path: Path, field: str, value: object
) -> None:
    good = {"arm": "a", "case_id": "1", "inputs": {"a": 1}, "output": "o"}
    file = tmp_path / "o.jsonl"
    file.write_text(
        json.dumps({**good, "case_id": "0"}) + "\n" + json.dumps({**good, field: value})
    )
    with pytest.raises(Invalid, match="line 2"):
        import_run(db, "a", "made", file)


def exported(db: Database, run: str, form: str) -> bytes:
    out = io.BytesIO()
    assert export_run(db, "user:a", run, form, out) == len(TEXTS)
    return out.getvalue()


def test_there_are_enough_payloads() -> None:
    assert len(FORMULAS) >= 60
    assert len(MARKUP) >= 25


def test_no_cell_of_a_run_or_its_data_set_starts_a_formula(sqlite_db: Database, run: str) -> None:
    found: list[str] = []
    for data in (exported(sqlite_db, run, "csv"), _dataset(sqlite_db, "csv")):
        rows = csv.reader(io.StringIO(data.decode(), newline=""))
        found += [cell for row in rows for cell in row if not _is_number(cell)]
    for data in (exported(sqlite_db, run, "xlsx"), _dataset(sqlite_db, "xlsx")):
        sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
        cells = [cell for row in sheet.rows for cell in row if cell.value is not None]
        assert not [cell.value for cell in cells if cell.data_type == "f"]
        found += [cell.value for cell in cells if isinstance(cell.value, str)]
    assert len(found) > 2000
    assert [cell for cell in found if cell[:1] in tuple(FORMULA_STARTS) and cell] == []


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+", cell) is not None


def _dataset(db: Database, form: str) -> bytes:
    out = io.BytesIO()
    with db.read_scope() as session:
        export_dataset(session, "made", "latest", form, out)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_a_data_set_of_payloads_comes_back(sqlite_db: Database, run: str, form: str) -> None:
    with sqlite_db.read_scope() as session:
        columns = {name.strip() for name in get(session, "made").columns}
    again = read_stream(io.BytesIO(_dataset(sqlite_db, form)), f"x.{form}")
    assert {name.strip() for name in again.columns} == columns
    assert {case.expected for case in again.cases} == set(TEXTS)


def test_jsonl_is_exact(sqlite_db: Database, run: str) -> None:
    rows = [json.loads(line) for line in exported(sqlite_db, run, "jsonl").splitlines()]
    assert [row["output"] if row["error"] is None else row["error"] for row in rows] == TEXTS


class _Tags(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.seen.add("comment")


def _page(db: Database, run: str) -> _Tags:
    tags = _Tags()
    tags.feed(exported(db, run, "html").decode())
    return tags


def test_the_page_of_a_run_holds_our_elements_only(
    sqlite_db: Database, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = _page(sqlite_db, run)
    ours = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "div",
            "h1", "h2", "h3", "p", "span", "table", "thead", "tbody", "tr", "th", "td", "pre",
            "del", "ins", "details", "summary", "figure", "figcaption", "svg", "g", "path",
            "text"}  # fmt: skip
    assert page.seen <= ours
    assert page.attributes <= {
        "lang", "charset", "http-equiv", "content", "scope", "class", "dir", "name", "role",
        "aria-label", "aria-hidden", "viewbox", "d", "x", "y", "transform", "text-anchor",
        "stroke-dasharray",
    }  # fmt: skip
    assert "<script>alert(1)</script>" in page.texts
    assert not set("".join(page.texts)) & set("\x00\x1b\u202e\u2066")
    monkeypatch.setattr(escape, "escape", lambda text: text)
    assert {"script", "iframe", "img", "comment"} <= _page(sqlite_db, run).seen  # the control


def test_junit_is_xml_whatever_stands_in_it(sqlite_db: Database, run: str) -> None:
    data = exported(sqlite_db, run, "junit")
    assert b"<!ENTITY" not in data
    cases = list(ET.fromstring(data).iter("testcase"))
    assert len(cases) == len(TEXTS)
    assert {tag.tag for tag in ET.fromstring(data).iter()} == {
        "testsuites", "testsuite", "testcase", "system-out", "failure", "error",
    }  # fmt: skip
    assert "<script>alert(1)</script>" in [case.get("classname") for case in cases]
