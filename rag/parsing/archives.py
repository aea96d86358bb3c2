"""The files in a ZIP of documents, under names that are safe to show; no name is ever a path."""

import re
import stat
import unicodedata
import zipfile
from dataclasses import dataclass
from urllib.parse import unquote

from core.encodings import detect_name
from core.errors import Invalid
from rag.parsing.limits import Limits
from rag.parsing.packages import open_package

MAX_NAME_BYTES = 1000
_JUNK = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$|\._)", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ROOTED = re.compile(r"^(?:[/\\~]|[A-Za-z]:)")
_UTF8_FLAG = 0x800
_LOCKED_FLAG = 0x1


@dataclass(frozen=True)
class Member:
    """One file; `problem` is the sentence of its refusal, found before it is unpacked."""

    info: zipfile.ZipInfo
    name: str
    problem: str | None


def members(data: bytes, limits: Limits) -> tuple[zipfile.ZipFile, list[Member]]:
    """The archive and its files in order; raises Invalid or TooLarge for a bomb."""
    archive = open_package(data, limits)
    names = _names(archive.infolist())
    found = [
        Member(info, _safe(name), _problem(info, name, limits))
        for info, name in zip(archive.infolist(), names, strict=True)
        if not info.is_dir() and not _JUNK.search(name)
    ]
    if not found:
        raise Invalid("The archive holds no files. Pack the documents again.")
    return archive, found


def _names(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Names as their maker meant them: those without the UTF-8 flag are in some code page."""
    raw = [
        None if info.flag_bits & _UTF8_FLAG else info.orig_filename.encode("cp437", "replace")
        for info in infos
    ]
    codec = detect_name(b"\n".join(each for each in raw if each is not None))
    return [
        info.orig_filename if each is None else each.decode(codec, "replace")
        for info, each in zip(infos, raw, strict=True)
    ]


def _problem(info: zipfile.ZipInfo, name: str, limits: Limits) -> str | None:
    plain = unicodedata.normalize("NFKC", unquote(unquote(name)))
    parts = re.split(r"[/\\\u2215\u2044]", plain)
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return f"Its name is longer than {MAX_NAME_BYTES:,} bytes. Give it a shorter one."
    if _UNSAFE.search(plain) or _UNSAFE.search(name):
        return "Its name holds control characters. Give it a plain one."
    if _ROOTED.match(plain) or any(part.strip() in ("..", "...") for part in parts):
        return "Its name leads out of the archive. Pack it under a plain one."
    if stat.S_ISLNK(info.external_attr >> 16):
        return "It is a link to another file. Pack the file itself."
    if info.flag_bits & _LOCKED_FLAG:
        return "It is protected by a password. Pack it without one."
    if info.file_size > limits.file_bytes:
        return f"It unpacks to {info.file_size >> 20} MiB, more than is read. Split it."
    return None


def _safe(name: str) -> str:
    """The name as it may be shown and kept: forward slashes, nothing that leads anywhere."""
    if len(name) > MAX_NAME_BYTES:
        name = name[:100] + "…"
    parts = [_UNSAFE.sub("_", part) for part in re.split(r"[/\\]", name)]
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)
