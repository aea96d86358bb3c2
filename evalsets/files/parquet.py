"""Rows out of a Parquet file, in small batches, with texts kept as dictionaries of themselves."""

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from core.canonical import Json
from core.errors import Invalid, TooLarge
from evalsets.files.limits import MAX_COLUMNS, MAX_CONTENT_BYTES, MAX_ROWS, size_text
from evalsets.files.tables import RawRow, RawTable

_BATCH = 256


def read_parquet(file: BinaryIO) -> RawTable:
    """Every column; `line` is the row, from 1. Bytes must be UTF-8; NaN becomes null."""
    file.seek(0)
    try:
        found = pq.ParquetFile(file, read_dictionary=_text_columns(pq.read_schema(file)))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(error) from None
    _check_size(found.metadata)
    return RawTable("parquet", _rows(found))


def _text_columns(schema: pa.Schema) -> list[str]:
    return [
        field.name
        for field in schema
        if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    ]


def _check_size(metadata: Any) -> None:
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    if metadata.num_rows > MAX_ROWS or unpacked > MAX_CONTENT_BYTES:
        raise TooLarge(
            f"the file holds {metadata.num_rows:,} rows of {size_text(unpacked)} unpacked; "
            f"{MAX_ROWS:,} rows and {size_text(MAX_CONTENT_BYTES)} are read at most. Split it"
        )
    if metadata.num_columns > MAX_COLUMNS:
        raise TooLarge(f"more than {MAX_COLUMNS} columns. Remove some")


def _damaged(error: Exception) -> Invalid:
    return Invalid(f"the Parquet file is damaged ({type(error).__name__}). Write it again")


def _rows(found: pq.ParquetFile) -> Iterator[RawRow]:
    line = 0
    try:
        for batch in found.iter_batches(batch_size=_BATCH):
            if batch.nbytes > MAX_CONTENT_BYTES:
                raise TooLarge(f"line {line + 1}: from here the rows are too large. Shorten them")
            batch.validate(full=True)
            columns = [_column(batch.column(index)) for index in range(batch.num_columns)]
            for cells in zip(*columns, strict=True):
                line += 1
                yield _row(line, batch.schema.names, cells)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(error) from None


def _column(array: pa.Array) -> list[Any]:
    """Python values; equal texts of a dictionary are one object, however often they stand."""
    if isinstance(array, pa.DictionaryArray):
        values = array.dictionary.to_pylist()
        return [None if index is None else values[index] for index in array.indices.to_pylist()]
    return array.to_pylist()


def _row(line: int, names: list[str], cells: tuple[Any, ...]) -> RawRow:
    try:
        values = {name: _json(cell) for name, cell in zip(names, cells, strict=True)}
    except UnicodeDecodeError:
        return RawRow(line, {}, "a column holds bytes that are no text. Leave it out")
    return RawRow(line, values)


def _json(value: Any) -> Json:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple):
        return [_json(member) for member in value]
    if isinstance(value, dict):
        return {str(key): _json(member) for key, member in value.items()}
    return value
