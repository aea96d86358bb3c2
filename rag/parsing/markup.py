"""A tree of HTML elements as Markdown: headings, paragraphs, lists, tables, code and quotes.

Emphasis is left out and of links only absolute addresses stay: both would be noise in a search.
"""

import re
from collections.abc import Iterator
from typing import Any

from rag.parsing.extract import one_line
from rag.parsing.tables import table_text

_INLINE_TAGS = """
a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark math q rb rp
rt rtc ruby s samp small span strike strong sub sup svg time tt u var wbr
"""
_INLINE = frozenset(_INLINE_TAGS.split())
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_SILENT = {"rt", "rp", "rtc", "svg", "hr", "colgroup", "script", "style", "template", "title"}
_RAISED = str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎")
_SPACE = re.compile(r"[ \t\n\r]+")
_FILE_NAME = re.compile(r"^\S+\.(?:png|jpe?g|gif|svg|webp|bmp|tiff?|emf|wmf)$", re.IGNORECASE)
_MAX_SPAN = 100


class Markup:
    """Writes trees as Markdown and counts the pictures that it leaves out."""

    def __init__(self) -> None:
        self.pictures = 0

    def text(self, element: Any) -> str:
        """Markdown of everything in `element`."""
        return "\n\n".join(block for block in self.blocks(element) if block)

    def blocks(self, element: Any) -> Iterator[str]:
        """Paragraphs, headings, lists … in order."""
        run = [element.text or ""]
        for child in element:
            tag = _tag(child)
            if tag in _INLINE and not _has_block(child):
                run.append(self.inline(child))
            elif tag not in _SILENT:
                yield _paragraph(run)
                run = []
                yield from self._block(child, tag)
            run.append(child.tail or "")
        yield _paragraph(run)

    def _block(self, element: Any, tag: str) -> Iterator[str]:
        if tag in _HEADINGS:
            title = one_line(self.inline(element))
            yield f"{'#' * _HEADINGS[tag]} {title}" if title else ""
        elif tag in ("ul", "ol", "menu", "dir"):
            yield self._list(element, tag == "ol")
        elif tag == "table":
            yield from self._table(element)
        elif tag in ("pre", "xmp", "listing"):
            yield _code(element)
        elif tag == "blockquote":
            inner = self.text(element)
            yield "\n".join(f"> {line}".rstrip() for line in inner.split("\n")) if inner else ""
        else:
            yield from self.blocks(element)

    def inline(self, element: Any) -> str:
        """Text of an element inside a paragraph; white space as it stands in the source."""
        tag = _tag(element)
        if tag == "br":
            return "\x00"
        if tag == "img":
            return self._picture(element)
        if tag == "math":
            return _formula(element)
        if tag in _SILENT:
            return ""
        inside = element.text or ""
        for child in element:
            inside += self.inline(child) + (child.tail or "")
        if tag == "code" and inside.strip() and "`" not in inside:
            return f"`{inside.strip()}`"
        if tag in ("sup", "sub") and element.find("a") is None:
            return _shifted(inside, _RAISED if tag == "sup" else _LOWERED)
        if tag == "a":
            return _link(inside, element.get("href") or "")
        return inside

    def _picture(self, element: Any) -> str:
        self.pictures += 1
        words = one_line(element.get("alt") or "")
        return "" if _FILE_NAME.match(words) or words.startswith("data:") else words[:1000]

    def _list(self, element: Any, numbered: bool) -> str:
        items: list[str] = []
        start = element.get("start") or ""
        number = int(start) if start.isdecimal() and len(start) < 7 else 1
        for child in element:
            if _tag(child) in ("ul", "ol"):  # nested without an item of its own, as old editors do
                inner = self._list(child, _tag(child) == "ol")
                items.append("  " + inner.replace("\n", "\n  "))
            elif _tag(child) and (inner := _tight(self.blocks(child))):
                mark = f"{number}. " if numbered else "- "
                number += 1
                items.append(mark + inner.replace("\n", "\n" + " " * len(mark)))
        return "\n".join(item for item in items if item.strip())

    def _table(self, element: Any) -> Iterator[str]:
        caption = element.find("caption")
        if caption is not None:
            yield one_line(self.inline(caption))
        rows = [row for row in element.iter("tr") if _owner(row) is element]
        cells = [[cell for cell in row if _tag(cell) in ("td", "th")] for row in rows]
        if element.find(".//table") is not None or max(map(len, cells), default=0) < 2:
            for cell in (cell for row in cells for cell in row):  # a table for the layout
                yield from self.blocks(cell)
            return
        header = all(_tag(cell) == "th" for cell in cells[0]) if cells[0] else False
        heads = element.find("thead") is not None or header
        yield table_text(list(self._grid(cells)), header=heads or None)

    def _grid(self, rows: list[list[Any]]) -> Iterator[list[str]]:
        """Cell texts; a cell that spans rows is repeated in each."""
        below: dict[int, tuple[int, str]] = {}
        for row in rows:
            line: list[str] = []
            for cell in row:
                _take_from_above(line, below)
                words = _cell(self.blocks(cell))
                for _ in range(_span(cell, "colspan")):
                    below[len(line)] = (_span(cell, "rowspan") - 1, words)
                    line.append(words)
                    words = ""
            _take_from_above(line, below)
            yield line


def _take_from_above(line: list[str], below: dict[int, tuple[int, str]]) -> None:
    while below.get(len(line), (0, ""))[0] > 0:
        left, words = below[len(line)]
        below[len(line)] = (left - 1, words)
        line.append(words)


def _span(cell: Any, name: str) -> int:
    value = (cell.get(name) or "").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() and len(value) < 6 else 1


def _tag(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _has_block(element: Any) -> bool:
    return any(_tag(each) not in _INLINE | _SILENT and _tag(each) for each in element.iter()) and (
        _tag(element) not in ("math", "svg")
    )


def _owner(row: Any) -> Any:
    return next((each for each in row.iterancestors("table")), None)


def _paragraph(pieces: list[str]) -> str:
    lines = _SPACE.sub(" ", "".join(pieces)).split("\x00")
    return "\n".join(line.strip() for line in lines).strip()


def _tight(blocks: Iterator[str]) -> str:
    return "\n".join(block for block in blocks if block)


def _cell(blocks: Iterator[str]) -> str:
    """Blocks on one line, the items of a list with commas between them."""
    lines = [line.strip() for block in blocks for line in block.split("\n") if line.strip()]
    if len(lines) > 1 and all(line.startswith("- ") for line in lines):
        return ", ".join(line[2:] for line in lines)
    return " ".join(lines)


def _code(element: Any) -> str:
    for line_break in element.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    text = "".join(element.itertext()).strip("\n").rstrip()
    fence = "````" if "```" in text else "```"
    return f"{fence}\n{text}\n{fence}" if text.strip() else ""


def _formula(element: Any) -> str:
    for note in element.iter("{*}annotation"):
        if "tex" in (note.get("encoding") or ""):
            return f"${one_line(note.text or '')}$"
    return one_line(" ".join(element.itertext()))


def _shifted(text: str, table: dict[int, int]) -> str:
    words = text.strip()
    return words.translate(table) if words and all(ord(each) in table for each in words) else text


def _link(text: str, address: str) -> str:
    words = text.strip()
    if not words or not re.match(r"https?://[^\s()<>]{1,300}$", address) or "\x00" in text:
        return text
    return text if words in address else text.replace(words, f"[{words}]({address})", 1)
