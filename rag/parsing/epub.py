"""EPUB: the chapters in reading order, each a page."""

import posixpath
import zipfile
from urllib.parse import unquote

from core.errors import Invalid
from rag.parsing.encodings import declared_encoding, decode
from rag.parsing.extract import Extract, paged, title_of
from rag.parsing.html import html_root, pictures, strip
from rag.parsing.limits import Limits
from rag.parsing.markup import Markup
from rag.parsing.packages import open_package, part
from rag.parsing.plain_text import xml_root

_DAMAGED = "The book is damaged: {what}. Convert it to EPUB again and add that."


def read_epub(data: bytes, limits: Limits) -> Extract:
    """Every chapter of the spine that has text."""
    archive = open_package(data, limits, share=4)
    if "META-INF/encryption.xml" in archive.NameToInfo and _locked(archive):
        raise Invalid("The book is locked by its seller. Give one without copy protection.")
    path = _package_path(archive)
    package = xml_root(part(archive, path))
    hrefs = {
        item.get("id"): item.get("href") or ""
        for item in package.iterfind(".//{*}manifest/{*}item")
        if "html" in (item.get("media-type") or "") and "nav" not in (item.get("properties") or "")
    }
    markup = Markup()
    chapters: list[str] = []
    for entry in package.iterfind(".//{*}spine/{*}itemref"):
        href = hrefs.get(entry.get("idref"))
        name = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(href or "")))
        if href and name in archive.NameToInfo:
            chapters.append(_chapter(part(archive, name), markup))
    filled = [chapter for chapter in chapters if chapter]
    if not filled:
        raise Invalid("The book has no text. If its pages are pictures, run OCR on it first.")
    title = package.find(".//{*}metadata/{*}title")
    return paged(
        "epub", filled, title_of(title.text) if title is not None else None, pictures(markup)
    )


def _locked(archive: zipfile.ZipFile) -> bool:
    """Whether more than fonts is encrypted."""
    return b"html" in part(archive, "META-INF/encryption.xml")


def _package_path(archive: zipfile.ZipFile) -> str:
    if "META-INF/container.xml" in archive.NameToInfo:
        found = xml_root(part(archive, "META-INF/container.xml")).find(".//{*}rootfile")
        path = found.get("full-path") if found is not None else None
    else:
        path = next((name for name in archive.NameToInfo if name.endswith(".opf")), None)
    if not path or path not in archive.NameToInfo:
        raise Invalid(_DAMAGED.format(what="it does not say what it holds"))
    return path


def _chapter(data: bytes, markup: Markup) -> str:
    text = decode(data, declared_encoding(data)).text
    root = html_root(text) if text.strip() else None
    body = root.find("body") if root is not None else None
    return markup.text(strip(body)).strip() if body is not None else ""
