"""Which reader takes which medium, and everything they would otherwise load while reading."""

import encodings
import importlib
import pkgutil
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, FrozenImporter

import pypdf

from rag.parsing import docling_reader
from rag.parsing.delimited import read_csv
from rag.parsing.docx import read_docx
from rag.parsing.epub import read_epub
from rag.parsing.extract import Extract
from rag.parsing.html import read_html
from rag.parsing.limits import Limits
from rag.parsing.mail import read_mail
from rag.parsing.odf import read_odf
from rag.parsing.pdf import read_pdf
from rag.parsing.plain_text import read_markdown, read_text, read_xml
from rag.parsing.pptx import read_pptx
from rag.parsing.records import read_json, read_jsonl
from rag.parsing.rtf import read_rtf
from rag.parsing.xlsx import read_xlsx

READERS: dict[str, Callable[[bytes, Limits], Extract]] = {
    "csv": read_csv,
    "docx": read_docx,
    "email": read_mail,
    "epub": read_epub,
    "html": read_html,
    "json": read_json,
    "jsonl": read_jsonl,
    "markdown": read_markdown,
    "odp": read_odf,
    "ods": read_odf,
    "odt": read_odf,
    "pdf": read_pdf,
    "pptx": read_pptx,
    "rtf": read_rtf,
    "text": read_text,
    "xlsx": read_xlsx,
    "xml": read_xml,
}
_WINDOWS = {"mbcs", "oem", "cp65001"}


def load_everything(parser: str) -> None:
    """Import what is imported late, then let nothing be imported from files.

    With the parser `docling`, docling reads what it reads without models.
    """
    if parser == "docling":
        docling_reader.load()
        READERS.update(docling_reader.READERS)
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name not in _WINDOWS:
            importlib.import_module(f"encodings.{module.name}")
    for module in pkgutil.walk_packages(pypdf.__path__, "pypdf."):
        if "pycryptodome" not in module.name:
            importlib.import_module(module.name)
    mail = b"Subject: =?utf-8?q?x?=\nContent-Type: text/plain\n\nwords"
    read_mail(mail, Limits())
    sample = "Привет, мир. Как дела?\n".encode("cp1251") * 20
    read_text(sample, Limits())
    sys.path.clear()
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]
