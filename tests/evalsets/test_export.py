"""What is written reads back unchanged, and no cell starts a formula."""

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.canonical import Json
from core.errors import TooLarge
from evalsets.files import escaping
from evalsets.files.cases import CaseRow
from evalsets.files.export import ExportFormat, case_columns, case_rows, write_rows
from evalsets.files.reading import read_stream

FORMULA_STARTS = "=+-@\t\r\n\x00＝＋－＠"
PAYLOADS = [
    *(f"{sign}{body}" for sign in "=+-@" for body in ("1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://x","y")', "SUM(A1:A9)", "", "2", "5 apples", "=1")),
    *(f"{sign}=1+1" for sign in "\t\r\n\x00＝＋－＠"),
    *(f"'{sign}1" for sign in "=+-@"), "''=1", "'''@x", "'", "''", "'plain", "it's", "",
    "\t", "\r", "\r\n", "\x00", "a\x00b", "\x01\x1f", "_x0000_", "_x005F_x0000_", "_x0000\x00", "_x000D_\r",
    "#N/A", "#REF!", "TRUE", "1e5", "007", " =1", '"=1"', "a,=1", "a;b", "x\ty", "line\nbreak", "\ufffe\uffff", "\u0085\u2028", "𝒳", "\ufeffbom", "{{ x }}", "[1]",
]  # fmt: skip


def written(texts: Sequence[str], format: ExportFormat) -> bytes:
    cases = [CaseRow(f"c{n}", dict.fromkeys(("q",), text)) for n, text in enumerate(texts)]
    out = io.BytesIO()
    assert write_rows(format, case_columns(["q"]), case_rows(cases, format), out) == len(texts)
    return out.getvalue()


def read_back(data: bytes, format: str) -> list[Json]:
    return [case.inputs.get("q") for case in read_stream(io.BytesIO(data), f"x.{format}").cases]


@pytest.mark.parametrize("format", ["csv", "xlsx", "jsonl"])
def test_payloads_read_back_unchanged(format: ExportFormat) -> None:
    assert len(PAYLOADS) >= 60
    assert read_back(written(PAYLOADS, format), format) == PAYLOADS


def csv_cells(data: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(data.decode(), newline="")) for cell in row]


def xlsx_cells(data: bytes) -> list[tuple[str, str]]:
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    return [
        (cell.data_type, str(cell.value))
        for row in sheet.rows
        for cell in row
        if cell.value is not None
    ]


def test_no_cell_starts_a_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    def dangerous() -> tuple[int, int]:
        cells = csv_cells(written(PAYLOADS, "csv"))
        typed = xlsx_cells(written(PAYLOADS, "xlsx"))
        return (
            sum(cell[:1] in tuple(FORMULA_STARTS) for cell in cells if cell),
            sum(kind == "f" or text[:1] in tuple(FORMULA_STARTS) for kind, text in typed),
        )

    assert dangerous() == (0, 0)
    monkeypatch.setattr(escaping, "_ESCAPABLE", escaping.re.compile("(?!)"))
    by_csv, by_xlsx = dangerous()
    assert by_csv > 30
    assert by_xlsx > 30


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_headers_are_escaped_too(format: ExportFormat) -> None:
    columns = ["=cmd()", "@x", "'=y", "plain"]
    out = io.BytesIO()
    write_rows(format, ["id", *columns], [{"id": "1", **dict.fromkeys(columns, "v")}], out)
    cells = (
        csv_cells(out.getvalue()) if format == "csv" else [t for _, t in xlsx_cells(out.getvalue())]
    )
    assert not any(cell[:1] in tuple(FORMULA_STARTS) for cell in cells)
    parsed = read_stream(io.BytesIO(out.getvalue()), f"x.{format}")
    assert parsed.columns == columns


def test_numbers_are_no_texts() -> None:
    row: dict[str, Json | Decimal] = {
        "n": -5,
        "f": -0.5,
        "t": "-5",
        "b": True,
        "none": None,
        "l": [-1],
        "d": Decimal("-0.0000001"),
    }
    out = io.BytesIO()
    write_rows("csv", list(row), [row], out)
    assert csv_cells(out.getvalue())[7:] == ["-5", "-0.5", "'-5", "true", "", "[-1]", "-0.0000001"]
    out = io.BytesIO()
    write_rows("xlsx", list(row), [row], out)
    inputs = read_stream(io.BytesIO(out.getvalue()), "x.xlsx").cases[0].inputs
    assert inputs == {"n": -5, "f": -0.5, "t": "-5", "b": True, "l": "[-1]", "d": -1e-7}


def test_xlsx_tells_empty_text_from_nothing() -> None:
    out = io.BytesIO()
    write_rows("xlsx", ["id", "q", "a"], [{"id": "1", "q": "", "a": None}], out)
    assert read_stream(io.BytesIO(out.getvalue()), "x.xlsx").cases[0].inputs == {"q": ""}


def test_jsonl_is_exact() -> None:
    row: dict[str, Json] = {"a": [1, {"b": None}], "c": "=1\x00\u2028", "d": 0.1, "e": ""}
    out = io.BytesIO()
    write_rows("jsonl", [], [row, {"lone": "\ud800", "huge": 1 << 70}], out)
    first, second = out.getvalue().decode().split("\n")[:2]
    assert json.loads(first) == row
    assert json.loads(second) == {"lone": "\ud800", "huge": 1 << 70}


def test_lone_surrogates_do_not_stop_an_export() -> None:
    for format in ("csv", "xlsx"):
        out = io.BytesIO()
        assert write_rows(format, ["q"], [{"q": "half \ud83d"}], out) == 1
        assert b"_xD83D_" in out.getvalue() or format == "xlsx"


@pytest.mark.parametrize("format", ["csv", "xlsx", "jsonl"])
def test_a_whole_data_set_comes_back(format: ExportFormat) -> None:
    cases = [
        CaseRow("=id", {"q": "-1", "r": "x"}, "@expected", ["a", "=b"], "dev"),
        CaseRow("2", {"q": "y", "r": ""}, None, ["x, y", "z;w", "[v"], None),
        CaseRow("3", {"q": "中文", "r": "\r\n"}, "multi\nline", [], "holdout"),
    ]
    out = io.BytesIO()
    write_rows(format, case_columns(["q", "r"]), case_rows(cases, format), out)
    back = read_stream(io.BytesIO(out.getvalue()), f"x.{format}").cases
    assert [(c.case_id, c.inputs, c.expected, c.tags, c.split) for c in back] == [
        (c.case_id, c.inputs, c.expected, c.tags, c.split) for c in cases
    ]


def test_xlsx_refuses_what_it_would_cut() -> None:
    with pytest.raises(TooLarge, match="Row 1, column 'q' has 32,768"):
        written(["x" * 32_768], "xlsx")
    with pytest.raises(TooLarge):
        written(["😀" * 16_384], "xlsx")
    assert read_back(written(["x" * 32_767], "xlsx"), "xlsx") == ["x" * 32_767]


def test_xlsx_refuses_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalsets.files.export.XLSX_MAX_ROWS", 3)
    assert written(["a", "b"], "xlsx")
    with pytest.raises(TooLarge, match="Export CSV"):
        written(["a", "b", "c"], "xlsx")


TEXT = st.text(
    st.sampled_from("=+-@\t\r\n\x00'_x05F1aDd,;\"# ") | st.characters(exclude_categories=["Cs"]),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_csv_round_trip(texts: list[str]) -> None:
    data = written(texts, "csv")
    assert read_back(data, "csv") == texts
    assert not any(cell[:1] in tuple(FORMULA_STARTS) for cell in csv_cells(data) if cell)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=8))
def test_xlsx_round_trip(texts: list[str]) -> None:
    assert read_back(written(texts, "xlsx"), "xlsx") == texts


def test_writing_streams() -> None:
    def endless() -> "list[dict[str, Json]]":
        yield {"q": "first"}
        raise RuntimeError("stop")

    out = io.BytesIO()
    with pytest.raises(RuntimeError):
        write_rows("csv", ["q"], endless(), out)
    assert out.getvalue() == b"q\r\nfirst\r\n"
