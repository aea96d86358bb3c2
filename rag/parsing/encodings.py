"""Bytes to text: byte order mark, then UTF-8, then what the file declares, then its code page."""

import codecs
import io
import re
from typing import NamedTuple

from core.encodings import detect_encoding
from core.errors import Invalid
from rag.parsing.extract import counted, plain

_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)|<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)""",
    re.IGNORECASE,
)
_ESCAPES = re.compile(rb"[\x00-\x08\x0e-\x1f]|~\{")
"""What text in UTF-8 hardly holds, and text in UTF-16 or in a mail encoding does."""
_WIDER = {  # what browsers read under the narrower name
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-9": "cp1254",
}
_SHOWN = {"gb18030": "GB18030", "big5": "Big5", "big5hkscs": "Big5", "cp932": "Shift-JIS"}


class Decoded(NamedTuple):
    """`text` is free of what `plain` removes; `notes` says what was not plain UTF-8."""

    text: str
    notes: tuple[str, ...]


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Text of `data`; raises Invalid when it is none, or when its encoding cannot be told."""
    if not _ESCAPES.search(data):
        try:
            return Decoded(plain(data.decode("utf-8-sig")), ())
        except UnicodeDecodeError:
            pass
    name = _codec(declared)
    if name and not data.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        try:
            return _noted(data.decode(name), name)
        except UnicodeError:
            pass
    try:
        name = detect_encoding(io.BytesIO(data))
    except Invalid:
        return _damaged(data)
    return _noted(data.decode(name), name)


def declared_encoding(data: bytes) -> str | None:
    """What an XML declaration or an HTML meta element near the top names."""
    found = _DECLARED.search(data[:4096])
    return (found[1] or found[2]).decode("ascii", "ignore") if found else None


def _codec(declared: str | None) -> str | None:
    try:
        found = codecs.lookup(declared) if declared else None
    except (LookupError, ValueError):
        return None
    if found is None or not getattr(found, "_is_text_encoding", True):
        return None
    return _WIDER.get(found.name, found.name)


def _noted(text: str, name: str) -> Decoded:
    if name.startswith("utf-8"):
        return Decoded(plain(text), ())
    shown = _SHOWN.get(name, name.upper().replace("_", "-"))
    return Decoded(plain(text.removeprefix("\ufeff")), (f"decoded as {shown}",))


def _damaged(data: bytes) -> Decoded:
    """UTF-8 with a few broken bytes, which are shown as such."""
    text = data.replace(b"\x00", b"").decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if broken * 20 > len(text):
        if sum(byte < 9 or 13 < byte < 27 for byte in data[:4096]) * 20 > len(data[:4096]):
            raise Invalid(
                "It is no document of a known kind. Give PDF, DOCX, PPTX, XLSX, EPUB, HTML or text."
            )
        raise Invalid("Its encoding cannot be told. Save it as UTF-8 and add it again.")
    what = counted(broken, "byte sequence that is not UTF-8 was", "such byte sequences were")
    return Decoded(plain(text), (f"{what} replaced",) if broken else ())
