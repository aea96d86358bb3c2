"""A data set file, whatever its format and encoding, becomes cases, or one sentence why not.

Formats are told by content first and by name second: CSV, TSV, JSONL, JSON, XLSX, Parquet.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.encodings import detect_encoding
from core.errors import Invalid, PromptstoneError, TooLarge
from evalsets.files.cases import CaseRow, ParsedCases
from evalsets.files.collecting import Collected, Problem, collect
from evalsets.files.delimited import read_delimited
from evalsets.files.jsonrows import read_json
from evalsets.files.limits import MAX_FILE_BYTES, size_text
from evalsets.files.parquet import read_parquet
from evalsets.files.spreadsheet import read_xlsx
from evalsets.files.tables import RawTable

PREVIEW_PROBLEMS = 20
APART_PROBLEMS = 100_000
_ZIP = b"PK\x03\x04"
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old Office file (.xls)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "packed with gzip",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"SQLite format 3": "a database",
}
_JSON_START = re.compile(r'(?:\[\s*)?\{\s*["}]')
_ACCEPTED = "Give CSV, TSV, JSONL, JSON, XLSX or Parquet"


@dataclass(frozen=True)
class ReadOptions:
    """What a person may say about a file: `mapping` is {variable: column}, `header_line` from 1."""

    mapping: Mapping[str, str] | None = None
    encoding: str | None = None
    header_line: int | None = None


@dataclass(frozen=True)
class Preview:
    """The first cases, and what stands in the way of a push; `problems` empty means it is good."""

    format: str | None
    encoding: str | None
    file_columns: list[str]
    columns: list[str]
    cases: list[CaseRow]
    rows: int
    notices: list[str]
    problems: list[Problem]


def read_cases(path: Path, options: ReadOptions | None = None) -> ParsedCases:
    """All cases of the file at `path`.

    Raises Invalid or TooLarge with one sentence that names file, line and remedy; NotFound-like
    troubles of the file system are Invalid too.
    """
    try:
        with path.open("rb") as file:
            return read_stream(file, path.name, options)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Invalid(f"{path.name} cannot be opened ({reason}). Check the path.") from None


def read_stream(file: BinaryIO, name: str, options: ReadOptions | None = None) -> ParsedCases:
    """Like `read_cases` for an open, seekable file; `name` is what messages call it."""
    options = options or ReadOptions()
    try:
        found = collect(table_of(file, name, options), options.mapping)
    except PromptstoneError as error:
        raise type(error)(_sentence(name, 0, error.message)) from None
    if found.problems:
        line, message = found.problems[0]
        kind = TooLarge if found.oversize else Invalid
        raise kind(_sentence(name, line, message))
    return found.parsed


def read_apart(path: Path, options: ReadOptions | None = None) -> Collected:
    """All cases that can be read, beside up to `APART_PROBLEMS` lines that cannot.

    Raises Invalid or TooLarge where the file as a whole cannot be read to its end.
    """
    options = options or ReadOptions()
    try:
        with path.open("rb") as file:
            table = table_of(file, path.name, options)
            found = collect(table, options.mapping, max_problems=APART_PROBLEMS)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Invalid(f"{path.name} cannot be opened ({reason}). Check the path.") from None
    except PromptstoneError as error:
        raise type(error)(_sentence(path.name, 0, error.message)) from None
    if found.broken:
        line, message = found.problems[-1]
        raise (TooLarge if found.oversize else Invalid)(_sentence(path.name, line, message))
    return found


def preview(file: BinaryIO, name: str, options: ReadOptions | None = None, n: int = 5) -> Preview:
    """What a push would take: reads the whole file, keeps `n` cases and names up to 20 problems."""
    options = options or ReadOptions()
    try:
        table = table_of(file, name, options)
    except PromptstoneError as error:
        return Preview(None, None, [], [], [], 0, [], [Problem(0, f"{error.message.rstrip('.')}.")])
    found = collect(table, options.mapping, keep=n, max_problems=PREVIEW_PROBLEMS)
    return _preview(found)


def _preview(found: Collected) -> Preview:
    parsed = found.parsed
    return Preview(
        format=parsed.format,
        encoding=parsed.encoding,
        file_columns=found.file_columns,
        columns=parsed.columns,
        cases=parsed.cases,
        rows=found.rows,
        notices=parsed.notices,
        problems=[Problem(line, f"{text.rstrip('.')}.") for line, text in found.problems],
    )


def _sentence(name: str, line: int, message: str) -> str:
    where = f"{name}, line {line}" if line else name
    return f"{where}: {message.rstrip('.')}."


def table_of(file: BinaryIO, name: str, options: ReadOptions) -> RawTable:
    """The rows of an open, seekable file as they stand in it; raises Invalid or TooLarge."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    if size > MAX_FILE_BYTES:
        limit = size_text(MAX_FILE_BYTES)
        raise TooLarge(f"the file has {size_text(size)}, more than {limit}. Split it")
    if not size:
        raise Invalid("the file is empty. Give a header line and at least one row")
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise Invalid(f"the file is {kind}. {_ACCEPTED}")
    if head.startswith(_ZIP):
        return read_xlsx(file)
    if head.startswith(b"PAR1"):
        return read_parquet(file)
    return _text_table(file, name, options)


def _text_table(file: BinaryIO, name: str, options: ReadOptions) -> RawTable:
    encoding = detect_encoding(file, options.encoding)
    suffix = Path(name).suffix.lower()
    start = file.read(4096).decode(encoding, "ignore").lstrip("\ufeff \t\r\n")
    json_named = suffix in (".json", ".jsonl", ".ndjson")
    if _JSON_START.match(start) or (json_named and start.startswith(("{", "["))):
        return read_json(file, encoding)
    if json_named and not start:
        raise Invalid("the file holds no case. Write one JSON object a line")
    if suffix in (".yaml", ".yml", ".html", ".htm", ".xml", ".prompty"):
        raise Invalid(f"{suffix} files hold no cases. {_ACCEPTED}")
    table = read_delimited(
        file, encoding, tabs=suffix in (".tsv", ".tab"), header_line=options.header_line
    )
    if json_named:
        table.notices.append("the file is no JSON; it is read as delimited text")
    return table
