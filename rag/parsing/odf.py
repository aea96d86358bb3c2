"""OpenDocument text, slides and sheets, by way of the HTML elements that mean the same."""

import zipfile
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from core.errors import Invalid
from rag.parsing.extract import Extract, first_heading, paged, title_of
from rag.parsing.html import pictures
from rag.parsing.limits import Limits, require
from rag.parsing.markup import Markup
from rag.parsing.packages import office_package, part
from rag.parsing.plain_text import xml_root

_NAMES = {
    "p": "p", "list": "ul", "list-item": "li", "list-header": "li", "table": "table",
    "table-row": "tr", "table-cell": "td", "span": "span", "a": "span", "line-break": "br",
}  # fmt: skip
_SKIPPED = {
    "annotation", "tracked-changes", "note-citation", "sequence-decls", "forms", "notes",
    "covered-table-cell", "bookmark", "soft-page-break", "date-time", "page-number", "shapes",
}  # fmt: skip
_MAX_REPEATS = 20


def read_odf(data: bytes, limits: Limits) -> Extract:
    """Text as one; every slide and every sheet as a page."""
    archive = office_package(data, limits)
    if "META-INF/manifest.xml" in archive.NameToInfo and b"encryption-data" in part(
        archive, "META-INF/manifest.xml"
    ):
        raise Invalid("It is protected by a password. Remove the password and add it again.")
    if "content.xml" not in archive.NameToInfo:
        raise Invalid("It is damaged. Open it in LibreOffice and save it again.")
    body = xml_root(part(archive, "content.xml")).find("{*}body")
    if body is None or not len(body):
        raise Invalid("It is damaged. Open it in LibreOffice and save it again.")
    inner = body[0]
    kind = _local(inner)
    markup = Markup()
    if kind in ("presentation", "spreadsheet"):
        wanted = "page" if kind == "presentation" else "table"
        found = [each for each in inner if _local(each) == wanted]
        require(len(found) <= limits.pages, "It has more pages than are read. Split it.")
        parts = [_named(each, kind, markup.text(_html(each, "div"))) for each in found]
        parts = [each for each in parts if each]
    else:
        parts = [markup.text(_html(inner, "div"))]
    if not any(parts):
        raise Invalid("It has no text. If it shows pictures of pages, run OCR on it first.")
    medium = {"presentation": "odp", "spreadsheet": "ods"}.get(kind, "odt")
    made = paged(medium, parts, _title(archive) or first_heading(parts[0]), pictures(markup))
    return made if medium != "odt" else Extract("odt", made.text, made.title, (), made.notes)


def _named(element: Any, kind: str, text: str) -> str:
    """A sheet under its name; a slide has its title among its words."""
    name = next((value for key, value in element.attrib.items() if key.endswith("}name")), "")
    return f"## {name}\n\n{text}" if kind == "spreadsheet" and text else text


def _title(archive: zipfile.ZipFile) -> str | None:
    if "meta.xml" not in archive.NameToInfo:
        return None
    found = xml_root(part(archive, "meta.xml")).find(".//{http://purl.org/dc/elements/1.1/}title")
    return title_of(found.text) if found is not None else None


def _local(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _html(element: Any, tag: str) -> Any:
    made = etree.Element(tag)
    made.text = element.text
    for child in element:
        for new in _converted(child):
            made.append(new)
        last = made[-1] if len(made) else None
        if last is not None:
            last.tail = (last.tail or "") + (child.tail or "")
        else:
            made.text = (made.text or "") + (child.tail or "")
    return made


def _converted(element: Any) -> list[Any]:
    name = _local(element)
    values = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if not name or name in _SKIPPED:
        return []
    if name in ("s", "tab"):
        space = etree.Element("span")
        space.text = " "
        return [space]
    if name == "image":
        return [etree.Element("img")]
    if name == "h":
        level = values.get("outline-level", "1")
        return [_html(element, f"h{min(int(level), 6) if level.isdecimal() else 1}")]
    made = _html(element, _NAMES.get(name, "div"))
    repeats = values.get("number-columns-repeated", "1")
    if made.tag == "td" and repeats.isdecimal() and int(repeats) > 1:
        times = min(int(repeats), _MAX_REPEATS)
        return [_html(element, "td") for _ in range(times)]
    return [made]
