"""Which encoding a text file is in, told from its bytes: UTF-8 first, legacy code pages last."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from charset_normalizer import from_bytes
from charset_normalizer.models import CharsetMatch

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
_MULTIBYTE = ("gb18030", "big5", "cp932", "euc_jp", "cp949")
_SINGLE_BYTE = ("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r")
# Lead bytes of the characters that fill everyday text: punctuation, kana, first-level ideographs.
_COMMON_LEADS = {
    "gb18030": ((0xA1, 0xA3), (0xB0, 0xD7)),
    "big5": ((0xA1, 0xC6),),
    "cp932": ((0x81, 0x83), (0x88, 0x97), (0xA1, 0xDF)),
    "euc_jp": ((0xA1, 0xA5), (0xB0, 0xCF)),
    "cp949": ((0xA1, 0xA3), (0xB0, 0xC8)),
}
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\x0b\x0c\r\x1a\x1b")
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
        name = _from_bom(file, sample) or _utf16_without_bom(file, sample)
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


def _utf16_without_bom(file: BinaryIO, sample: bytes) -> str | None:
    """UTF-16 by its NUL halves: spaces, digits, commas and line ends have one each."""
    if b"\x00" not in sample:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    if min(even, odd) or _bad_offset(file, name) is not None:
        return None
    text = sample[: len(sample) // 2 * 2].decode(name, "replace")
    return name if "\n" in text or text.startswith(("{", "[")) else None


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
    for name in _candidates(_whole_lines(sample)):
        if _bad_offset(file, name) is None:
            return name
    raise Invalid(f"The encoding cannot be told (line {_line_of(file, bad)}). {_REMEDY}.")


def _whole_lines(sample: bytes) -> bytes:
    """Without a torn last line, which would cut a character in two."""
    head, newline, _ = sample.rpartition(b"\n")
    return head + newline if newline and len(sample) == _SAMPLE else sample


def _candidates(sample: bytes) -> list[str]:
    matches = list(from_bytes(sample, cp_isolation=[*_MULTIBYTE, *_SINGLE_BYTE]))
    found = {name for match in matches for name in _names(match)}
    scores = {name: _plausible(sample, name) for name in _MULTIBYTE if name in found}
    if scores.get("cp949", 0) == 1 and sum(byte > 0x7F for byte in sample) >= 16:
        scores["cp949"] = 2  # Chinese text of eight characters hardly keeps below lead byte C8
    wide = [name for name in sorted(scores, key=lambda name: -scores[name]) if scores[name] >= 0.7]
    narrow = [name for match in matches for name in _SINGLE_BYTE if name in _names(match)]
    return [*wide, *narrow]


def _names(match: CharsetMatch) -> list[str]:
    return [match.encoding, *match.could_be_from_charset]


def _plausible(sample: bytes, name: str) -> float:
    """Share of the foreign characters that are common in the script of `name`."""
    foreign = common = 0
    for char in sample.decode(name, "ignore"):
        if char > "\x7f":
            lead = char.encode(name)[0]
            foreign += 1
            common += any(low <= lead <= high for low, high in _COMMON_LEADS[name])
    return common / foreign if foreign else 0.0


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
