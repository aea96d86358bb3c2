"""ZIP containers (Office files, EPUB, archives): what they announce is checked before unpacking."""

import io
import re
import zipfile
import zlib

from core.errors import Invalid
from rag.parsing.limits import Limits, require, size_text

BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises on a damaged or unusual archive; these have no common class."""
_ENCODING = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)""")
_KNOWN_ENCODINGS = {b"utf-8", b"utf8", b"utf-16", b"us-ascii", b"ascii", b"iso-8859-1"}
_XML_NAMES = (".xml", ".rels", ".opf", ".ncx", ".vml")


def open_package(data: bytes, limits: Limits, share: int = 1) -> zipfile.ZipFile:
    """The archive in `data`, found to be of a sane size, without overlaps.

    `share` divides the unpacked bytes allowed. Raises TooLarge, or Invalid when it is damaged.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except BROKEN:
        raise Invalid("It is damaged. Save or pack it again and add that.") from None
    unpacked = sum(member.file_size for member in members)
    packed = min(sum(member.compress_size for member in members), len(data))
    most = limits.unpacked_bytes // share
    require(
        len(members) <= limits.members,
        f"It holds {len(members):,} files; {limits.members:,} are read at most. Split it.",
    )
    require(
        unpacked <= most,
        f"It unpacks to {size_text(unpacked)}; {size_text(most)} are read at most. Split it.",
    )
    require(
        unpacked <= limits.ratio_free_bytes or unpacked <= limits.ratio * max(packed, 1),
        f"It unpacks to {unpacked // max(packed, 1):,} times its size, as no real one does. "
        "Make it again from its files.",
    )
    _refuse_overlaps(members)
    return archive


def _refuse_overlaps(members: list[zipfile.ZipInfo]) -> None:
    end = -1
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise Invalid("Files overlap in it, as in no real one. Make it again from its files.")
        end = member.header_offset + 30 + member.compress_size


def office_package(data: bytes, limits: Limits) -> zipfile.ZipFile:
    """An Office file, none of whose XML declares a document type: entities need one."""
    archive = open_package(data, limits, share=4)
    for member in archive.infolist():
        if member.filename.lower().endswith(_XML_NAMES):
            _refuse_entities(part(archive, member.filename))
    return archive


def _refuse_entities(xml: bytes) -> None:
    flat = xml.replace(b"\x00", b"") if b"\x00" in xml[:64] else xml
    declared = _ENCODING.search(flat[:300])
    known = declared is None or declared[1].lower() in _KNOWN_ENCODINGS
    if not known or b"<!DOCTYPE" in flat or b"<!ENTITY" in flat:
        raise Invalid(
            "Its XML declares entities, which are never expanded. Save it again with the program "
            "that made it."
        )


def part(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo) -> bytes:
    """One member, never longer than announced; raises Invalid when it is damaged or locked."""
    try:
        return archive.read(name)
    except BROKEN as error:
        if "password" in str(error) or "encrypted" in str(error):
            raise Invalid(
                "It is protected by a password. Remove the password and add it again."
            ) from None
        raise Invalid("It is damaged. Save or pack it again and add that.") from None
