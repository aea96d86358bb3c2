"""PDF by pypdf: the text of each page; pictures are never decoded."""

import io
import logging
from typing import Any

import pypdf

from core.errors import Invalid
from rag.parsing.extract import Extract, counted, paged, plain, title_of
from rag.parsing.limits import Limits, require
from rag.parsing.pdf_content import Content
from rag.parsing.pdf_lines import page_text

logging.getLogger("pypdf").setLevel(logging.CRITICAL)
_LOCKED = "It is protected by a password. Remove the password and add it again."
_DAMAGED = "It is damaged. Open it in a PDF reader, print it to a new PDF and add that."


def read_pdf(data: bytes, limits: Limits) -> Extract:
    """Every page; one that cannot be read is named in the notes."""
    reader = _opened(data)
    content = Content()
    _bound_pages(_announced(reader), limits)
    try:
        pages = reader.pages
        count = len(pages)
    except Exception:
        raise Invalid(_DAMAGED) from None
    _bound_pages(count, limits)
    texts: list[str] = []
    bad: list[int] = []
    bare: list[int] = []
    for number in range(count):
        try:
            texts.append(_page_text(pages[number], content))
        except (MemoryError, RecursionError):
            raise
        except Exception:
            texts.append("")
            bad.append(number + 1)
        if not texts[-1] and number + 1 not in bad:
            bare.append(number + 1)
    fields = _filled_fields(reader)
    if not any(texts) and not fields:
        _refuse(bad)
    if fields and texts:
        texts[-1] = f"{texts[-1]}\n\n{fields}".strip()
    return paged("pdf", texts, _title(reader), _notes(bad, bare))


def _announced(reader: pypdf.PdfReader) -> int:
    """Pages that the file says it has: known before its tree of pages is walked."""
    try:
        pages: Any = reader.root_object["/Pages"]
        return int(pages["/Count"])
    except Exception:
        return 0


def _bound_pages(count: int, limits: Limits) -> None:
    sentence = f"It has {count:,} pages; {limits.pages:,} are read at most. Split it."
    require(count <= limits.pages, sentence)


def _opened(data: bytes) -> pypdf.PdfReader:
    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Invalid(_LOCKED)
    except Invalid:
        raise
    except (MemoryError, RecursionError):
        raise
    except NotImplementedError:
        raise Invalid("Its encryption is not known. Save it without and add it again.") from None
    except Exception:
        raise Invalid(_DAMAGED) from None
    return reader


def _page_text(page: Any, content: Content) -> str:
    """By places; where the page's fonts or operators are too odd for that, as pypdf reads it."""
    try:
        text = page_text(content.pieces(page))
    except (MemoryError, RecursionError):
        raise
    except Exception:
        text = page.extract_text()
    return plain(text).strip()


def _refuse(bad: list[int]) -> None:
    if bad:
        raise Invalid(_DAMAGED)
    raise Invalid(
        "It has no text: its pages are pictures or blank. Run OCR on it and add the result."
    )


def _notes(bad: list[int], bare: list[int]) -> list[str]:
    notes: list[str] = []
    if bad:
        notes.append(f"{counted(len(bad), 'page', 'pages')} could not be read: {_listed(bad)}")
    if bare:
        what = counted(len(bare), "page has", "pages have")
        notes.append(f"{what} no text (a picture needs OCR): {_listed(bare)}")
    return notes


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")


def _title(reader: pypdf.PdfReader) -> str | None:
    try:
        title = title_of(reader.metadata.title if reader.metadata else None)
    except Exception:
        return None
    return (
        None
        if title
        and title.lower().startswith(("untitled", "(anonymous)", "about:blank", "microsoft word -"))
        else title
    )


def _filled_fields(reader: pypdf.PdfReader) -> str:
    """What was typed into the form, `name: value` a line."""
    try:
        fields = reader.get_form_text_fields()
    except Exception:
        return ""
    return "\n".join(f"{name}: {value}" for name, value in fields.items() if value)
