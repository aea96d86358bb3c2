"""DOCX by mammoth: HTML by the styles of paragraphs, without headers, footers and comments."""

import io
import re
import zipfile
from typing import Any

import mammoth
import mammoth.html
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from core.errors import Invalid
from rag.parsing.extract import Extract, first_heading, plain, title_of
from rag.parsing.html import html_root, pictures
from rag.parsing.limits import Limits
from rag.parsing.markup import Markup
from rag.parsing.packages import office_package, part
from rag.parsing.plain_text import xml_root

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Quote'] => blockquote > p:fresh
p[style-name='Intense Quote'] => blockquote > p:fresh
p[style-name='heading 7'] => h6:fresh
p[style-name='heading 8'] => h6:fresh
p[style-name='heading 9'] => h6:fresh
"""
_NEEDED = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|word/_rels/[^/]+\.rels|word/[^/]+\.xml", re.IGNORECASE
)
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_UNSEEN = re.compile("[\u2061-\u2064]")
_FORMULA_SIGNS = {"sSup": "^", "sSub": "_", "f": "/"}


def read_docx(data: bytes, limits: Limits) -> Extract:
    """The document as Markdown; footnotes at its end."""
    archive = office_package(data, limits)
    markup = Markup()
    try:
        made = mammoth.convert_to_html(
            io.BytesIO(_without_media(archive)),
            style_map=_STYLES,
            include_embedded_style_map=False,
            convert_image=_picture,
        )
    except (KeyError, ValueError, AttributeError, IndexError, TypeError, zipfile.BadZipFile):
        raise Invalid("It is damaged. Open it in Word and save it again.") from None
    text = plain(markup.text(html_root(made.value)) if made.value.strip() else "")
    if not text:
        raise Invalid("It has no text. If it shows pictures of pages, run OCR on it first.")
    title = core_title(archive) or first_heading(text)
    return Extract("docx", text, title, (), pictures(markup))


def core_title(archive: zipfile.ZipFile) -> str | None:
    """The title among the properties of an Office file."""
    if "docProps/core.xml" not in archive.NameToInfo:
        return None
    found = xml_root(part(archive, "docProps/core.xml")).find("{*}title")
    title = title_of(found.text) if found is not None else None
    return None if title in (None, "PowerPoint Presentation", "Word Document") else title


def _picture(image: Any) -> list[Any]:
    return [mammoth.html.element("img", {"alt": image.alt_text or ""})]


def _without_media(archive: zipfile.ZipFile) -> bytes:
    """The parts that hold text, formulas written out as text."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as out:
        for name in archive.NameToInfo:
            if _NEEDED.fullmatch(name):
                content = part(archive, name)
                if b"oMath" in content:
                    content = _formulas_as_text(content)
                out.writestr(name, content)
    return packed.getvalue()


def _formulas_as_text(xml: bytes) -> bytes:
    root = xml_root(xml)
    for formula in list(root.iter(f"{_MATH}oMath")):
        parent = formula.getparent()
        if parent is None or formula.getroottree().getroot() is not root:
            continue
        run = etree.Element(f"{_WORD}r")
        text = etree.SubElement(run, f"{_WORD}t")
        text.text = f" {_linear(formula)} "
        text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        run.tail = formula.tail
        parent.replace(formula, run)
    for wrapper in list(root.iter(f"{_MATH}oMathPara")):
        wrapper.tag = f"{_WORD}ins"  # whose runs are read where m:oMathPara's are not
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _linear(element: Any) -> str:
    """A formula on one line: a_1^2, (a)/(b), √(x)."""
    kind = etree.QName(element).localname if isinstance(element.tag, str) else ""
    if kind == "t":
        return _UNSEEN.sub("", element.text or "")
    parts = [_linear(child) for child in element]
    parts = [each for each in parts if each]
    if kind in _FORMULA_SIGNS and len(parts) == 2:
        first, second = (each if len(each) == 1 or kind != "f" else f"({each})" for each in parts)
        second = second if len(second) == 1 or kind == "f" else f"({second})"
        return f"{first}{_FORMULA_SIGNS[kind]}{second}"
    if kind == "rad":
        return f"√({''.join(parts)})"
    if kind == "d":
        return f"({''.join(parts)})"
    return "".join(parts)
