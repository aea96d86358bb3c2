"""PPTX: each slide a page; its title a heading, shapes from top to bottom, notes at its end."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE

from core.errors import Invalid
from rag.parsing.docx import core_title
from rag.parsing.extract import Extract, counted, one_line, paged, title_of
from rag.parsing.limits import Limits, require
from rag.parsing.packages import BROKEN, office_package
from rag.parsing.tables import table_text

_BROKEN = (*BROKEN, AttributeError, IndexError, TypeError)
_FURNITURE = {"SLIDE_NUMBER", "DATE", "FOOTER", "HEADER"}


class _Slides:
    """Reads slides and counts the pictures left out."""

    def __init__(self) -> None:
        self.pictures = 0

    def text(self, slide: Any) -> str:
        """One slide as Markdown."""
        title = slide.shapes.title
        heading = one_line(title.text_frame.text) if title is not None else ""
        blocks = [f"# {heading}"] if heading else []
        others = [
            shape for shape in slide.shapes if title is None or shape._element is not title._element
        ]
        blocks += self._blocks(others)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text.strip()
            blocks += [f"Notes: {notes}"] if notes else []
        return "\n\n".join(block for block in blocks if block)

    def _blocks(self, shapes: Iterable[Any]) -> Iterator[str]:
        for shape in sorted(shapes, key=_place):
            if _surrounds(shape):
                continue
            if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
                yield from self._blocks(shape.shapes)
            elif getattr(shape, "has_table", False) and shape.has_table:
                rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
                yield table_text(rows, header=shape.table.first_row or None)
            elif getattr(shape, "has_chart", False) and shape.has_chart:
                yield _chart(shape.chart)
            elif shape.has_text_frame:
                yield _frame(shape.text_frame)
            elif shape.shape_type == MSO_SHAPE_TYPE.PICTURE:
                self.pictures += 1
            else:
                yield _diagram(shape)


def read_pptx(data: bytes, limits: Limits) -> Extract:
    """The slides in order; hidden ones too."""
    archive = office_package(data, limits)
    slides = _Slides()
    try:
        deck = pptx.Presentation(io.BytesIO(data))
        require(
            len(deck.slides) <= limits.pages,
            f"It has {len(deck.slides):,} slides; {limits.pages:,} are read at most. Split it.",
        )
        parts = [slides.text(slide) for slide in deck.slides]
    except _BROKEN:
        raise Invalid("It is damaged. Open it in PowerPoint and save it again.") from None
    if not any(parts):
        raise Invalid("Its slides have no text. If they are pictures, run OCR on them first.")
    first = next((part.split("\n")[0].lstrip("# ") for part in parts if part), None)
    count = slides.pictures
    notes = (f"{counted(count, 'picture was', 'pictures were')} left out",) if count else ()
    return paged("pptx", parts, core_title(archive) or title_of(first), notes)


def _surrounds(shape: Any) -> bool:
    """Whether it is a slide number, date, header or footer."""
    kind = shape.placeholder_format.type if shape.is_placeholder else None
    return kind is not None and kind.name in _FURNITURE


def _place(shape: Any) -> tuple[int, int]:
    return (shape.top or 0, shape.left or 0)


def _frame(frame: Any) -> str:
    lines = [(paragraph.level, one_line(paragraph.text)) for paragraph in frame.paragraphs]
    lines = [(level, line) for level, line in lines if line]
    if len(lines) < 2:
        return "".join(line for _, line in lines)
    return "\n".join(f"{'  ' * level}- {line}" for level, line in lines)


def _chart(chart: Any) -> str:
    title = chart.chart_title.text_frame.text if _titled(chart) else ""
    rows: list[list[str]] = []
    for plot in chart.plots:
        series = list(plot.series)
        rows.append(["", *(str(each.name) for each in series)])
        for index, category in enumerate(plot.categories):
            values = (each.values[index] if index < len(each.values) else None for each in series)
            rows.append([str(category), *("" if v is None else f"{v:g}" for v in values)])
    return "\n\n".join(part for part in (title, table_text(rows, header=True)) if part)


def _titled(chart: Any) -> bool:
    return bool(chart.has_title and chart.chart_title.has_text_frame)


def _diagram(shape: Any) -> str:
    """Words of a shape of no known kind, such as SmartArt's fallback drawing."""
    texts = shape._element.iter("{http://schemas.openxmlformats.org/drawingml/2006/main}t")
    return one_line(" ".join(text.text or "" for text in texts))
