"""Which encoding a text file is in, told from its bytes: UTF-8 first, legacy code pages last."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from core.code_pages import guesses, unicode_without_mark
from core.errors import Invalid

_CHUNK = 1 << 20
_SAMPLE = 64 << 10
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\x0b\x0c\r\x1a\x1b")
_MAIL = ("iso2022_jp_2", "iso2022_kr")
_HZ = ("hz",)
_REMEDY = "Save it as UTF-8, or name its encoding"


def detect_encoding(file: BinaryIO, wanted: str | None = None) -> str:
    """The codec that decodes the whole of `file`, which is left at its start.

    `wanted` is a codec that the user named; it is only checked. Raises Invalid with the line of
    the first byte that does not fit, or when the file is no text.
    """
    file.seek(0)
    sample = file.read(_SAMPLE)
    if wanted is not None:
        name = _known_codec(wanted)
        _require(file, name)
    else:
        name = _from_bom(file, sample) or _without_bom(file, sample)
        if name is None:
            _refuse_binary(file, sample)
            name = "utf-8" if _bad_offset(file, "utf-8") is None else _legacy(file)
    file.seek(0)
    return name


def _known_codec(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise Invalid(
            f"No encoding is called {name!r}. Use a name such as utf-8, gb18030, big5, shift_jis "
            "or latin-1.",
            param="encoding",
        )
    return found.name


def _require(file: BinaryIO, name: str) -> None:
    offset = _bad_offset(file, name)
    if offset is not None:
        raise Invalid(
            f"Line {_line_of(file, offset)} is not {name}: byte {offset} does not fit. {_REMEDY}."
        )


def _from_bom(file: BinaryIO, sample: bytes) -> str | None:
    for bom, name in _BOMS:
        if sample.startswith(bom):
            _require(file, name)
            return name
    return None


def _without_bom(file: BinaryIO, sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, or a Japanese or Chinese mail encoding of seven bits."""
    seven_bit = _MAIL if b"\x1b$" in sample else _HZ if b"~{" in sample and b"~}" in sample else ()
    for name in seven_bit:
        if _bad_offset(file, name) is None and not sample.decode(name, "ignore").isascii():
            return name
    if sample.translate(None, _CONTROLS) == sample and _bad_offset(file, "utf-8") is None:
        return None
    name = unicode_without_mark(sample)
    return name if name and _bad_offset(file, name) is None else None


def _refuse_binary(file: BinaryIO, sample: bytes) -> None:
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls > 16 and controls * 100 > len(sample):
        raise Invalid(
            "The file is not text. Give CSV, TSV, JSONL, JSON, XLSX or Parquet, and save an old "
            ".xls workbook as .xlsx."
        )
    offset = 0
    for chunk in _chunks(file):
        at = chunk.find(0)
        if at >= 0:
            line = _line_of(file, offset + at)
            raise Invalid(f"Line {line} holds a NUL byte. Remove it or save the file again.")
        offset += len(chunk)


def _legacy(file: BinaryIO) -> str:
    """The most plausible code page; damaged UTF-8 is refused rather than read as Latin letters."""
    bad = _bad_offset(file, "utf-8") or 0
    file.seek(max(0, bad - _SAMPLE // 2))
    sample = file.read(_SAMPLE)
    text = sample.decode("utf-8", "replace")
    foreign = sum(char > "\x7f" for char in text)
    broken = text.count("\ufffd")
    if foreign - broken > 4 * broken:
        raise Invalid(
            f"Line {_line_of(file, bad)} is damaged: the file is UTF-8 up to byte {bad}. {_REMEDY}."
        )
    for guess in guesses(_whole_lines(sample)):
        if _bad_offset(file, guess.codec) is None:
            return guess.codec
    raise Invalid(f"The encoding cannot be told (line {_line_of(file, bad)}). {_REMEDY}.")


def _whole_lines(sample: bytes) -> bytes:
    """Without a torn last line, which would cut a character in two."""
    head, newline, _ = sample.rpartition(b"\n")
    return head + newline if newline and len(sample) == _SAMPLE else sample


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk


def _bad_offset(file: BinaryIO, name: str) -> int | None:
    """Byte offset of what `name` cannot decode, exact for UTF-8, else near; None when all fits."""
    decoder = codecs.getincrementaldecoder(name)()
    done = 0
    pending = b""
    try:
        for chunk in _chunks(file):
            pending = bytes(decoder.getstate()[0])
            decoder.decode(chunk)
            done += len(chunk)
        pending = bytes(decoder.getstate()[0])
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        return max(0, done - len(pending) + start)
    return None


def _line_of(file: BinaryIO, offset: int) -> int:
    file.seek(0)
    left, line = offset, 1
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        line += chunk.count(b"\n")
        left -= len(chunk)
    return line


def detect_name(names: bytes) -> str:
    """The codec of file names in an archive that does not say: UTF-8, a code page or cp437."""
    try:
        return detect_encoding(io.BytesIO(names)) if names else "cp437"
    except Invalid:
        return "cp437"
