"""Texts and CSV rows of the files that a configuration names."""

import io
from collections.abc import Iterator

from core.encodings import detect_encoding
from core.errors import Invalid
from evalsets.files.fields import as_text
from evalsets.files.reading import ReadOptions, table_of


def text_of_file(name: str, data: bytes) -> str:
    """The text of a file in any encoding that can be told, with \\n line ends."""
    try:
        text = data.decode(detect_encoding(io.BytesIO(data))).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Invalid(f"{name} cannot be read ({error.reason}). Save it as UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def csv_rows(name: str, data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines and rows of CSV, TSV or XLSX; raises Invalid with the line."""
    for row in table_of(io.BytesIO(data), name, ReadOptions()).rows:
        if row.problem is not None:
            raise Invalid(f"{name}, line {row.line}: {row.problem}.")
        yield (
            row.line,
            {key: as_text(value) for key, value in row.values.items() if value is not None},
        )
