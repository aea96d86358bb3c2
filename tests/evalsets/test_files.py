"""Data set files of every format, encoding and kind of damage."""

import codecs
import csv
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import Invalid, PromptstoneError, TooLarge
from evalsets.files import limits
from evalsets.files.cases import ParsedCases, column_map
from evalsets.files.reading import ReadOptions, preview, read_cases, read_stream
from tests.support.depth import DEEP

SHARED = Path(os.environ.get("PROMPTSTONE_TEST_SHARED_DATA", "shared-data"))


def read(data: bytes | str, name: str = "cases.csv", **options: object) -> ParsedCases:
    raw = data.encode() if isinstance(data, str) else data
    return read_stream(io.BytesIO(raw), name, ReadOptions(**options))  # type: ignore[arg-type]


def refused(data: bytes | str, name: str = "cases.csv", **options: object) -> str:
    with pytest.raises(PromptstoneError) as caught:
        read(data, name, **options)
    message = caught.value.message
    assert message.endswith(".")
    assert "Traceback" not in message
    return message


def workbook(rows: list[list[object]], **sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, more in sheets.items():
        sheet = book.create_sheet(title)
        for row in more:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_csv_with_all_recognized_columns() -> None:
    parsed = read('id,tags,split,expected,q,extra\nx1,"a, b",dev,yes,why?,7\nx2,c;d,,,"",\n')
    first, second = parsed.cases
    assert (first.case_id, first.tags, first.split, first.expected) == (
        "x1",
        ["a", "b"],
        "dev",
        "yes",
    )
    assert first.inputs == {"q": "why?", "extra": "7"}
    assert (second.tags, second.split, second.expected) == (["c", "d"], None, None)
    assert second.inputs == {"q": "", "extra": ""}
    assert parsed.columns == ["q", "extra"]
    assert (parsed.format, parsed.encoding) == ("csv", "utf-8")
    assert [case.line for case in parsed.cases] == [2, 3]


def test_ids_without_a_column_are_hashes_with_ordinals_for_duplicates() -> None:
    cases = read("q\nsame\nother\nsame\nsame\n").cases
    assert cases[2].case_id == f"{cases[0].case_id}-2"
    assert cases[3].case_id == f"{cases[0].case_id}-3"
    assert len({case.case_id for case in cases}) == 4
    assert cases[0].case_id == read('{"q": "same"}', "x.jsonl").cases[0].case_id


def test_jsonl_values_keep_their_type_and_absent_is_not_null() -> None:
    lines = '{"q": 1.5, "flag": true, "list": [1, {"a": null}], "none": null}\n{"q": ""}\n'
    first, second = read(lines, "x.jsonl").cases
    assert first.inputs == {"q": 1.5, "flag": True, "list": [1, {"a": None}], "none": None}
    assert second.inputs == {"q": ""}


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("5", "5"),
        ([1, "é"], '[1,"é"]'),
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ("", ""),
        (None, None),
    ],
)
def test_expected_is_a_text(expected: object, text: str | None) -> None:
    parsed = read(json.dumps({"q": 1, "expected": expected}), "x.jsonl")
    assert parsed.cases[0].expected == text


def test_mapping_renames_and_takes_the_expected_column() -> None:
    mapping = column_map(["article=text"], expected="label")
    parsed = read("text,label,other\nhello,greeting,1\n", mapping=mapping)
    assert parsed.cases[0].inputs == {"other": "1", "article": "hello"}
    assert parsed.cases[0].expected == "greeting"
    assert set(parsed.columns) == {"article", "other"}


def test_mapping_errors() -> None:
    assert "'nope'" in refused("a\n1\n", mapping={"x": "nope"})
    assert "column already" in refused("a,b\n1,2\n", mapping={"b": "a"})
    absent = refused("a,expected\n1,2\n", mapping=column_map([], expected="nope"))
    assert "no column is called 'nope'" in absent
    late = '{"expected": 1}\n{"label": 2}\n'
    assert "line 1" in refused(late, "x.jsonl", mapping=column_map([], expected="label"))
    with pytest.raises(Invalid, match="VARIABLE=COLUMN"):
        column_map(["broken"])
    with pytest.raises(Invalid, match="Keep one"):
        column_map(["a=x", "a=y"])


TEXTS = {
    "utf-8": "név,város\nÁrvíztűrő,Győr\n",
    "utf-8-sig": "név,város\nÁrvíztűrő,Győr\n",
    "utf-16": "名前,年齢\n佐藤,30\n",
    "utf-16-le": "name,age\nJos\u00e9,30\n",
    "utf-32": "名前,年齢\n佐藤,30\n",
    "gb18030": "问题,答案\n什么是机器学习？,机器学习是一种人工智能方法。\n北京在哪里,中国\n",
    "big5": "問題,答案\n什麼是機器學習？,機器學習是一種人工智慧方法。\n台北在哪裡,臺灣\n",
    "cp932": "名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n髙橋淳,35,名古屋\n",
    "euc_jp": "名前,年齢,住所\n佐藤太郎,30,東京です\n",
    "cp949": "이름,도시\n김철수,서울\n이영희,부산\n",
    "cp1252": "name,city\nJosé,Málaga\n“François”,Besançon\n",
    "cp1251": "имя,город\nИван,Москва\nПётр,Казань\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_encodings_are_told(encoding: str) -> None:
    text = TEXTS[encoding]
    want = [
        dict(zip(text.split("\n")[0].split(","), line.split(","), strict=True))
        for line in text.split("\n")[1:-1]
    ]
    parsed = read(text.encode(encoding))
    assert [case.inputs for case in parsed.cases] == want
    assert read(text.encode(encoding), encoding=encoding).cases[0].inputs == want[0]


def test_damaged_utf8_is_refused_not_read_as_latin() -> None:
    body = "".join(f"{number},中文字符测试\n" for number in range(40)).encode()
    message = refused(b"n,q\n" + body + b"40,\xff\xfe\n" + body)
    assert "line 42" in message.lower()
    assert "UTF-8" in message


def test_a_named_encoding_that_does_not_fit() -> None:
    assert "Line 3" in refused("q\nfine\nnaïve\n".encode("latin-1"), encoding="utf-8")
    assert "No encoding is called" in refused("q\n1\n", encoding="klingon")
    assert "No encoding is called" in refused("q\n1\n", encoding="base64")


def test_lines_before_the_header_are_skipped_and_said() -> None:
    text = "Report of the week\nexported,2026-01-01\n\nquestion,answer,score\na,b,1\nc,d,2\ne,f,3\n"
    parsed = read(text)
    assert parsed.columns == ["question", "answer", "score"]
    assert parsed.cases[0].line == 5
    assert parsed.notices == ["lines 1 to 3 before the header skipped"]
    assert read(text.replace("question", "expected"), header_line=4).cases[0].expected == "a"


def test_a_header_of_two_cells_is_no_title_of_ragged_rows() -> None:
    assert "line 2: 3 cells where the header has 2" in refused("a,b\n1,2,3\n4,5,6\n7,8,9\n")


def test_excel_separator_line_and_semicolons() -> None:
    assert read("sep=;\na;b\n1,5;2\n").cases[0].inputs == {"a": "1,5", "b": "2"}
    assert read("a;b\n1;2\n").cases[0].inputs == {"a": "1", "b": "2"}


def test_tsv_with_bare_quotes() -> None:
    parsed = read('q\ta\nsay "hi" now\tyes\n"open\tno\n', "x.tsv")
    assert parsed.cases[0].inputs == {"q": 'say "hi" now', "a": "yes"}
    assert parsed.cases[1].inputs == {"q": '"open', "a": "no"}


def test_cells_of_32000_characters_over_many_lines() -> None:
    cell = "\n".join("x" * 100 + f' "{number}", ' for number in range(300))
    out = io.StringIO()
    csv.writer(out).writerows([["q", "a"], [cell, "1"], ["short", "2"]])
    parsed = read(out.getvalue())
    assert len(cell) > 32_000
    assert parsed.cases[0].inputs["q"] == cell
    assert parsed.cases[1].line == 302


BAD: list[tuple[str, bytes | str, str, str]] = [
    ("empty", b"", "x.csv", "empty"),
    ("blank", b"\n\n\n", "x.csv", "empty"),
    ("blank jsonl", b"\n\n", "x.jsonl", "no case"),
    ("bom only", codecs.BOM_UTF8, "x.csv", "empty"),
    ("header only", "a,b\n", "x.csv", "no case"),
    ("empty list", "[]", "x.json", "no case"),
    ("ragged long", "a,b\n1,2\n1,2,3\n", "x.csv", "line 3: 3 cells where the header has 2"),
    ("ragged short", "a,b,c\n1,2,3\n1,2\n", "x.csv", "line 3: 2 cells where the header has 3"),
    ("twice", "id,q\nx,1\ny,2\nx,3\n", "x.csv", "line 4: id 'x' stands on line 2 already"),
    ("same columns", "a,b,a\n1,2,3\n", "x.csv", "line 1: two columns are called 'a'"),
    ("open quote", 'a,b\n1,2\n"3,4\n5,6\n', "x.csv", "line 3: a quote opened"),
    ("after quote", 'a,b\n"1"x,2\n', "x.csv", "line 2: text after a closing quote"),
    ("split", "split,q\nvalid,1\n", "x.csv", "line 2: split 'valid' is none of"),
    ("NUL", b"a,b\n1,2\n3,x\x00y\n", "x.csv", "ine 3 holds a NUL byte"),
    ("not JSON", '{"a": 1}\n{"a": }\n', "x.jsonl", "line 2: not JSON at character 7"),
    ("cut off", '{"a": 1}\n{"a": ', "x.jsonl", "line 2: the JSON breaks off"),
    ("list in jsonl", '{"a": 1}\n[1]\n', "x.jsonl", "line 2: a list where an object is expected"),
    ("texts", '["a", "b"]', "x.json", "line 1: a text where an object is expected"),
    ("missing comma", '[\n{"a": 1}\n{"a": 2}]', "x.json", "line 3: a comma or ] is missing"),
    ("after the list", '[{"a": 1}]\n\nx', "x.json", "line 3: text after the list"),
    ("object of lists", '{\n"data": [\n{"a": 1}]\n}', "x.json", "holds lists (data)"),
    (
        "huge integer",
        '{"a": 1}\n{"a": 123456789012345678901234}',
        "x.jsonl",
        "line 2: the number 1234",
    ),
    ("4,301 digits", '{"a": ' + "9" * 5000 + "}", "x.jsonl", "line 1: the number 9999"),
    ("NaN", '{"a": NaN}', "x.jsonl", "line 1: NaN is not JSON"),
    ("Infinity", '[{"a": -Infinity}]', "x.json", "line 1: -Infinity is not JSON"),
    ("1e999", '{"a": 1e999}', "x.jsonl", "line 1: the number 1e999 is too large"),
    (
        "nested",
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "x.jsonl",
        "line 1: nested too deep",
    ),
    ("nested 300", '{"a": ' + "[" * 300 + "]" * 300 + "}", "x.jsonl", "'a' is nested too deep"),
    (
        "surrogate",
        '{"b": 1, "a": "\\ud800"}',
        "x.jsonl",
        "line 1: column 'a' holds half a character",
    ),
    ("same key", '{"a": 1, "a": 2}', "x.jsonl", "line 1: an object has the same key twice"),
    ("tags", '{"a": 1, "tags": {"x": 1}}', "x.jsonl", "line 1: tags are no list"),
    ("id", '{"a": 1, "id": [1]}', "x.jsonl", "line 1: id must be a text"),
    ("pdf", b"%PDF-1.7 ...", "x.csv", "a PDF"),
    ("xls", b"\xd0\xcf\x11\xe0" + bytes(600), "x.xls", ".xls"),
    ("binary", random.Random(1).randbytes(4096), "x.csv", "not text"),
    ("damaged xlsx", b"PK\x03\x04" + bytes(100), "x.xlsx", "damaged"),
    ("damaged parquet", b"PAR1" + bytes(100) + b"PAR1", "x.parquet", "damaged"),
    ("zip", "zip", "x.xlsx", "damaged"),
]


@pytest.mark.parametrize(
    ("data", "name", "says"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_files_are_one_sentence_with_line_and_remedy(
    data: bytes | str, name: str, says: str
) -> None:
    if data == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("hello.txt", "hello")
        data = out.getvalue()
    message = refused(data, name)
    assert says in message
    assert message.startswith(name)
    assert len(message) < 400
    assert "\n" not in message


def test_a_line_of_100_mb_is_refused_with_its_number() -> None:
    size = 100 << 20 if DEEP else 17 << 20
    for name in ("x.jsonl", "x.csv"):
        data = b'{"a": "b"}\n{"a": "' if name == "x.jsonl" else b"a,b\n1,"
        with pytest.raises(TooLarge, match="line 2"):
            read(data + b"x" * size + (b'"}\n' if name == "x.jsonl" else b"\n"), name)
    array = b'[{"a": 1},\n{"a": "' + b"x" * size + b'"}]'
    with pytest.raises(TooLarge, match="line 2"):
        read(array, "x.json")


def test_cells_beyond_the_limit_are_named() -> None:
    cell = "x" * (limits.MAX_CELL_BYTES + 1)
    assert "line 2: a cell exceeds 8 MiB" in refused(f'a,b\n"{cell}",1\n')
    assert "'b' has more than 8 MiB" in refused(json.dumps({"a": 1, "b": cell}), "x.jsonl")


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MAX_ROWS", 3, "more than 3 cases"),
        ("MAX_CONTENT_BYTES", 30, "hold more than"),
        ("MAX_VALUES", 6, "6 values"),
    ],
)
def test_totals_are_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, says: str
) -> None:
    data = "a,b\n" + "1,2\n" * 4
    assert len(read(data).cases) == 4
    monkeypatch.setattr(f"evalsets.files.collecting.{limit}", value)
    with pytest.raises(TooLarge, match=says):
        read(data)


def test_nested_values_count_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalsets.files.collecting.MAX_VALUES", 1000)
    with pytest.raises(TooLarge):
        read(json.dumps({"a": [[]] * 2000}), "x.jsonl")


def test_jsonl_in_odd_arrangements() -> None:
    assert [
        c.inputs["a"] for c in read('{"a": 1} {"a": 2}{"a": 3}\n{"a": 4}', "x.jsonl").cases
    ] == [1, 2, 3, 4]
    parsed = read('{"a": "x\u0085y\u2028z"}\r\n\r\n{"a": "w"}\r\n', "x.json")
    assert [(c.inputs["a"], c.line) for c in parsed.cases] == [("x\u0085y\u2028z", 1), ("w", 3)]
    assert parsed.format == "jsonl"
    pretty = '{\n "a": 1\n}\n{\n "a": 2\n}\n'
    assert [c.line for c in read(pretty, "x.json").cases] == [1, 4]
    assert [c.line for c in read('[\n {"a": 1},\n\n {"a": 2}\n]', "x.json").cases] == [2, 4]
    assert "holds 2 objects" in read('{"a": 1}{"a": 2}', "x.jsonl").notices[0]


def test_two_ids_on_one_line_are_duplicates() -> None:
    assert "stands on line 1 already" in refused(
        '{"id": "x", "a": 1}{"id": "x", "a": 2}', "x.jsonl"
    )


def test_braces_in_a_csv_header_are_no_json() -> None:
    assert read("{{topic}},[b]\n1,2\n").columns == ["{{topic}}", "[b]"]
    assert read("[note],b\n1,2\n").columns == ["[note]", "b"]
    assert read('[\n  {"a": 1}\n]', "x.txt").format == "json"


def test_large_files_and_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ",".join(f"c{n}" for n in range(1001))
    assert "more than 1000 columns" in refused(f"{names}\n{names}\n")
    rows = [json.dumps({f"c{n}": 1}) for n in range(1002)]
    assert "more than 1000 columns" in refused("\n".join(rows), "x.jsonl")
    monkeypatch.setattr("evalsets.files.reading.MAX_FILE_BYTES", 8)
    assert "Split it" in refused("a\n1\n2\n3\n4\n")


def test_wrong_extensions_are_seen_through() -> None:
    assert read('[{"a": 1}]', "x.csv").format == "json"
    assert read('{"a": 1}\n{"a": 2}', "x.csv").format == "jsonl"
    assert read(workbook([["a"], [1]]), "x.csv").format == "xlsx"
    assert read("a\tb\n1\t2\n", "x.csv").format == "tsv"
    parsed = read("a,b\n1,2\n", "x.json")
    assert (parsed.format, parsed.notices) == (
        "csv",
        ["the file is no JSON; it is read as delimited text"],
    )


def test_xlsx_types_title_rows_and_blank_cells() -> None:
    rows: list[list[object]] = [
        ["Quarterly report"],
        [],
        ["id", "q", "n", "when", "flag"],
        ["a", "text", 1.5, date(2026, 1, 2), True],
        ["b", None, 7, None, False],
        [],
        ["c", "x_x000D_\u4e2d", -5, None, None],
    ]
    parsed = read(workbook(rows, more=[["z"], [1]]), "x.xlsx")
    assert [case.inputs for case in parsed.cases] == [
        {"q": "text", "n": 1.5, "when": "2026-01-02", "flag": True},
        {"n": 7, "flag": False},
        {"q": "x\r中", "n": -5},
    ]
    assert [case.line for case in parsed.cases] == [4, 5, 7]
    assert any("lines 1 to 2" in notice for notice in parsed.notices)
    assert any("first of 2 sheets" in notice for notice in parsed.notices)


def test_xlsx_ragged_and_empty() -> None:
    assert "line 3: 3 cells where the header has 2" in refused(
        workbook([["a", "b"], [1, 2], [1, 2, 3]]), "x.xlsx"
    )
    assert "empty" in refused(workbook([]), "x.xlsx")


def bomb(fill: bytes, size: int) -> bytes:
    """A workbook whose first sheet unpacks to `size` bytes of `fill`."""
    source = zipfile.ZipFile(io.BytesIO(workbook([["a"], ["b"]])))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in source.infolist():
            data = source.read(member)
            if member.filename.endswith("sheet1.xml"):
                data = data.replace(b"</sheetData>", fill * (size // len(fill)) + b"</sheetData>")
            archive.writestr(member.filename, data)
    return out.getvalue()


def test_xlsx_bombs_are_refused_before_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb(b"<row></row>", 8 << 20)
    assert len(data) < 200_000
    assert "times its size" in refused(data, "x.xlsx")
    monkeypatch.setattr("evalsets.files.spreadsheet.MAX_CONTENT_BYTES", 1 << 20)
    assert "unpacks to 8 MiB" in refused(data, "x.xlsx")
    monkeypatch.undo()
    monkeypatch.setattr("evalsets.files.spreadsheet.MAX_ARCHIVE_RATIO", 10**9)
    read(data, "x.xlsx")  # the control: without the ratio nothing else stops it


def test_xlsx_entities_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = zipfile.ZipFile(io.BytesIO(workbook([["a"], ["b"]])))
    out = io.BytesIO()
    doctype = b'<!DOCTYPE x [<!ENTITY lol "boom">]>'
    with zipfile.ZipFile(out, "w") as archive:
        for member in source.infolist():
            data = source.read(member)
            if member.filename.endswith("sheet1.xml"):
                root = data.index(b"<worksheet")
                data = data[:root] + doctype + data[root:].replace(b"<t>b</t>", b"<t>&lol;</t>")
            archive.writestr(member.filename, data)
    assert "declares entities" in refused(out.getvalue(), "x.xlsx")
    # The control: without our look, and without the parser that refuses entities itself.
    monkeypatch.setattr("evalsets.files.spreadsheet._refuse_entities", lambda *_: None)
    monkeypatch.setattr("openpyxl.worksheet._reader.iterparse", ElementTree.iterparse)
    assert read(out.getvalue(), "x.xlsx").cases[0].inputs == {"a": "boom"}


def parquet(**columns: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_parquet() -> None:
    data = parquet(
        id=["a", "b"],
        q=["x", None],
        n=[1, 2],
        f=[float("nan"), 0.5],
        tags=[["t"], []],
        nested=[{"k": [1]}, None],
        when=[date(2026, 1, 2), None],
        raw=[b"hi", b"\xff"][:1] * 2,
    )
    first, second = read(data, "x.parquet").cases
    assert first.inputs == {
        "q": "x",
        "n": 1,
        "f": None,
        "nested": {"k": [1]},
        "when": "2026-01-02",
        "raw": "hi",
    }
    assert (first.case_id, first.tags) == ("a", ["t"])
    assert second.inputs["q"] is None
    assert "line 1: a column holds bytes" in refused(parquet(raw=[b"\xff\xfe"]), "x.parquet")


def test_parquet_of_one_large_text_many_times_stays_small() -> None:
    text = "x" * (1 << 20)
    message = refused(parquet(q=[text] * 300), "x.parquet")
    assert "Split" in message


def test_preview_shows_first_rows_and_every_refusal() -> None:
    data = "id,q\na,1\nb,2\na,3\nc,4,5\nd,5\n"
    shown = preview(io.BytesIO(data.encode()), "x.csv", n=2)
    assert [case.case_id for case in shown.cases] == ["a", "b"]
    assert [problem.line for problem in shown.problems] == [4, 5]
    assert (shown.format, shown.encoding, shown.rows) == ("csv", "utf-8", 5)
    assert shown.file_columns == ["id", "q"]
    assert all(problem.message.endswith(".") for problem in shown.problems)
    broken = preview(io.BytesIO(b'{"a": 1}\n{"a": \n{"a": 3}\n{"a" 4}\n'), "x.jsonl")
    assert [problem.line for problem in broken.problems] == [2, 4]
    assert preview(io.BytesIO(b""), "x.csv").problems[0].line == 0


def test_the_callers_file_stays_open() -> None:
    for data in ("a\n1\n", '{"a": 1}', '[{"a": 1}]', '{\n"a": 1}'):
        file = io.BytesIO(data.encode())
        preview(file, "x")
        assert len(read_stream(file, "x").cases) == 1
        assert not file.closed


def test_missing_file() -> None:
    with pytest.raises(Invalid, match="cannot be opened"):
        read_cases(Path("nowhere.csv"))


def _mutated(data: bytes, seed: int) -> bytes:
    rng = random.Random(seed)
    raw = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        position = rng.randrange(len(raw))
        action = rng.randrange(3)
        if action == 0:
            raw[position] = rng.randrange(256)
        elif action == 1:
            del raw[position : position + rng.randrange(1, 20)]
        else:
            raw[position:position] = rng.choice([b'"', b",", b"\n", b"\x00", b"{", b"\xff", b"]"])
        if not raw:
            break
    return bytes(raw)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "xlsx", "parquet"])
def test_damaged_files_never_raise_anything_else(kind: str) -> None:
    whole: dict[str, Callable[[], bytes]] = {
        "csv": lambda: (
            "id,q,tags\n" + "".join(f'{n},"wörld {n}, x",a;b\n' for n in range(9))
        ).encode(),
        "jsonl": lambda: "".join(
            json.dumps({"q": f"é{n}", "n": n}) + "\n" for n in range(9)
        ).encode(),
        "json": lambda: json.dumps([{"q": f"é{n}", "n": [n]} for n in range(9)], indent=1).encode(),
        "xlsx": lambda: workbook([["id", "q"], *[[n, f"text {n}"] for n in range(9)]]),
        "parquet": lambda: parquet(q=[f"text {n}" for n in range(9)]),
    }
    data = whole[kind]()
    endings: list[str] = []
    for seed in range(1000 if DEEP else 100):
        try:
            read(_mutated(data, seed), f"x.{kind}")
        except PromptstoneError as error:
            endings.append(error.message[-1])
    assert set(endings) <= {"."}


@pytest.mark.skipif(not SHARED.is_dir(), reason="PROMPTSTONE_TEST_SHARED_DATA names no folder")
def test_real_files() -> None:
    counts = {
        "eval_gsm8k/train_first500.jsonl": 500,
        "eval_classification_insurance/data/test.tsv": 68,
        "prompts_awesome_en/prompts_2025-06.csv": 216,
        "docs_markitdown/markitdown/tests/test_files/test_mskanji.csv": 3,
        "docs_zh_chatchat/test_files/langchain-ChatGLM_open.xlsx": 323,
        "ft_llamafactory/alpaca_zh_demo.json": 1000,
    }
    for path, count in counts.items():
        assert len(read_cases(SHARED / path).cases) == count
