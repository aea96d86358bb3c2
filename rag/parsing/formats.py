"""What a file is, told by its bytes; the name only decides between kinds of text."""

import io
import re
import zipfile
from pathlib import PurePosixPath

from core.errors import Invalid

_TEXTS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".json": "json",
    ".ipynb": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".xht": "html",
    ".xml": "xml",
    ".eml": "email",
}
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"BM")
_OTHERS = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Pack it as ZIP"),
    (b"Rar!", "a RAR archive", "Pack it as ZIP"),
    (b"\x1f\x8b", "packed with gzip", "Unpack it"),
    (b"BZh", "packed with bzip2", "Unpack it"),
    (b"\xfd7zXZ", "packed with xz", "Unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it"),
    (b"\x7fELF", "a program", "Give a document"),
    (b"MZ", "a program", "Give a document"),
    (b"%!PS", "PostScript", "Save it as PDF"),
    (b"SQLite format 3", "a database", "Export its tables as CSV"),
    (b"PAR1", "a Parquet file", "Save it as CSV or JSONL"),
)
_PICKLE = re.compile(rb"\A\x80[\x02-\x05].*\.\Z", re.DOTALL)
_OLD_PICKLE = re.compile(rb"\A\(?c[\w.]+\n\w+\n|\A\(?[il]?\(?p?\d*\n?c[\w.]+\n\w+\n")
_HTML = re.compile(
    rb"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(rb"\A\s*<\?xml\s", re.IGNORECASE)
_ODF = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
}


def media_of(data: bytes, name: str) -> str:
    """A medium that `worker` reads; raises Invalid for what no reader takes."""
    if not data.strip(b"\x00\t\n\x0b\x0c\r \xef\xbb\xbf"):
        raise Invalid("It is empty. Give a file with text in it.")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _of_archive(data)
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Invalid(_ole(data))
    if data.startswith(rb"{\rtf"):
        return "rtf"
    _refuse_binary(data)
    return _of_text(data, PurePosixPath(name).suffix.lower())


def _refuse_binary(data: bytes) -> None:
    if data.startswith(_PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        raise Invalid("It is a picture without text. Run OCR on it and add the result.")
    for magic, what, remedy in _OTHERS:
        if data.startswith(magic) and (len(magic) > 2 or b"\x00" in data[:512]):
            raise Invalid(f"It is {what}, which is not read. {remedy} and add that.")
    if _PICKLE.match(data) or _OLD_PICKLE.match(data[:2000]):
        raise Invalid("It is a Python pickle, which is never opened. Give a document.")


def _ole(data: bytes) -> str:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return "It is protected by a password. Remove the password and add it again."
    return (
        "It is in the old binary format of Office. Save it as .docx, .xlsx, .pptx or PDF and add "
        "that."
    )


def _of_archive(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.NameToInfo)
            kind = b""
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                kind = archive.read("mimetype").strip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        raise Invalid("It is a damaged ZIP or Office file. Save it again and add that.") from None
    if kind in _ODF:
        return _ODF[kind]
    if kind == b"application/epub+zip" or "META-INF/container.xml" in names:
        return "epub"
    if "[Content_Types].xml" in names:
        for folder, medium in (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx")):
            if any(name.startswith(folder) for name in names):
                return medium
    return "zip"


def _of_text(data: bytes, suffix: str) -> str:
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    named = _TEXTS.get(suffix, "text")
    if _HTML.match(head) and named not in ("markdown", "csv", "json", "jsonl"):
        return "html"
    if named == "text" and _XML.match(head):
        return "xml"
    if named in ("json", "jsonl") or (suffix not in (".txt", ".text", ".log") and named == "text"):
        start = head.lstrip()[:1]
        if start in (b"{", b"["):
            return "json" if named == "text" else named
    return named
