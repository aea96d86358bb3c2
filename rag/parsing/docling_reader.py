"""DOCX, PPTX and HTML by docling's backends, which ask no model and no network."""

import importlib
import io
import pkgutil
import re
import sys
import zipfile
from typing import Any

from core.errors import Invalid
from rag.parsing.docx import core_title
from rag.parsing.encodings import declared_encoding, decode
from rag.parsing.extract import Extract, counted, first_heading, paged, plain, title_of
from rag.parsing.html import html_root
from rag.parsing.limits import Limits
from rag.parsing.packages import office_package

_HEAVY = ("torch", "transformers", "pyarrow")
"""What docling and pandas use where it is there, and these formats do not need."""
_LATE = ("docling.backend.docx", "docling_core.transforms.serializer", "pylatexenc", "pptx", "docx")
_SAMPLE = b"<html><body><h1>A</h1><table><tr><td>1</td></tr></table><ul><li>b</ul></body></html>"
_loaded: dict[str, Any] = {}


def load() -> None:
    """Import everything that a conversion uses; takes seconds and 130 MB."""
    for name in _HEAVY:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    from docling.backend import (  # pyright: ignore[reportMissingImports]
        html_backend,
        mspowerpoint_backend,
        msword_backend,
    )
    from docling.datamodel.document import InputDocument  # pyright: ignore[reportMissingImports]
    from PIL import Image

    # Drawings would be given to LibreOffice, were it installed.
    msword_backend.get_docx_to_pdf_converter = lambda: None
    _loaded["docx"] = msword_backend.MsWordDocumentBackend
    _loaded["pptx"] = mspowerpoint_backend.MsPowerpointDocumentBackend
    _loaded["html"] = html_backend.HTMLDocumentBackend
    _loaded["input"] = InputDocument
    Image.preinit()
    _keep_templates()
    for name in _LATE:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    read_html(_SAMPLE, Limits())


def _keep_templates() -> None:
    """Parts that python-docx adds to a document without them, which it would read from files."""
    for module in pkgutil.iter_modules(importlib.import_module("docx.parts").__path__):
        for part in vars(importlib.import_module(f"docx.parts.{module.name}")).values():
            for name in dir(part):
                if isinstance(part, type) and re.fullmatch("_default_[a-z]+_xml", name):
                    xml = getattr(part, name)()
                    setattr(part, name, staticmethod(lambda xml=xml: xml))


def read_html(data: bytes, _limits: Limits) -> Extract:
    """The page as docling's Markdown."""
    text, notes = decode(data, declared_encoding(data))
    found = html_root(text).find(".//title")
    title = title_of(found.text_content()) if found is not None else None
    document = _converted("html", b"\xef\xbb\xbf" + text.encode("utf-8", "replace"))
    body = _markdown(document)
    return Extract("html", body, title or first_heading(body), (), (*notes, *_pictures(document)))


def read_docx(data: bytes, limits: Limits) -> Extract:
    """The document as docling's Markdown."""
    archive = office_package(data, limits)
    document = _converted("docx", data)
    text = _markdown(document)
    return Extract("docx", text, _title(archive, text), (), _pictures(document))


def read_pptx(data: bytes, limits: Limits) -> Extract:
    """The slides as docling's Markdown, each a page."""
    archive = office_package(data, limits)
    document = _converted("pptx", data)
    slides = [_part(document, page) for page in sorted(document.pages)]
    return paged("pptx", slides, _title(archive, _markdown(document)), _pictures(document))


READERS = {"docx": read_docx, "html": read_html, "pptx": read_pptx}


def _converted(kind: str, data: bytes) -> Any:
    """docling's document; raises Invalid for whatever docling stumbles over."""
    try:
        given = _loaded["input"](
            path_or_stream=io.BytesIO(data),
            format=kind,
            backend=_loaded[kind],
            filename=f"document.{kind}",
        )
        return given._backend.convert()
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # docling's readers raise whatever they meet
        raise Invalid(
            f"docling does not read it ({type(error).__name__}). Add it with the parser builtin."
        ) from None


def _markdown(document: Any) -> str:
    text = _part(document, None)
    if not text:
        raise Invalid("docling finds no text in it. Add it with the parser builtin.")
    return text


def _part(document: Any, page: int | None) -> str:
    text = document.export_to_markdown(
        page_no=page,
        image_placeholder="",
        escape_html=False,
        escape_underscores=False,
        compact_tables=True,
    )
    return plain(text).strip()


def _title(archive: zipfile.ZipFile, text: str) -> str | None:
    return core_title(archive) or first_heading(text)


def _pictures(document: Any) -> tuple[str, ...]:
    count = len(document.pictures)
    return (f"{counted(count, 'picture was', 'pictures were')} left out",) if count else ()
