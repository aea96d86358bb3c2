"""Pieces of a PDF page put together as lines of text, in the order in which they are read."""

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from rag.parsing.pdf_content import Piece
from rag.parsing.pdf_tables import Cell, table

SAME_LINE = 0.5
"""Of the size: how far a baseline may lie from the line's, for raised and lowered letters."""
WORD_GAP = 0.18
CELL_GAP = 1.2
"""Of the size: from this gap on, a tab; between words of a line set wide it is smaller."""
BLANK_LINE = 1.4
"""Of the usual distance of lines: from this one on, a paragraph ends."""
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LTR = re.compile(r"[^\W\d_\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_DIGIT = re.compile(r"\d")
_DRAWN = re.compile("[\u2e80-\u2fdf\uf900-\ufaff\ufb00-\ufdff\ufe70-\ufefc]")
_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\u3000-\u303f]")
_MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_BULLET = re.compile(
    r"(?:[•·▪▫■□●○◦‣⁃➢➤✓*–—-]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]"
    r"|\d{1,2}(?:\.\d{1,2})+\.?|\.\d+)$"
)
"""What stands before an item of a list, and is no cell of a table."""
_NUMBER_SIGNS = set(".,:/-+%٫٬")


def page_text(pieces: Sequence[Piece]) -> str:
    """The page as text; upright text first, then what is turned."""
    turns = Counter(piece.turn for piece in pieces)
    parts = [
        _side([piece for piece in pieces if piece.turn == turn]) for turn, _ in turns.most_common()
    ]
    return "\n\n".join(part for part in parts if part)


def _side(pieces: Sequence[Piece]) -> str:
    lines = _lines(pieces)
    text = _joined(lines, visual=True)
    if _RTL.search(text) and _written_backwards(text):
        text = _joined(lines, visual=False)
    return _DRAWN.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)


def _written_backwards(text: str) -> bool:
    """Whether Arabic articles stand at the end of words: the page held them in spoken order."""
    flat = unicodedata.normalize("NFKC", text)
    ends = len(re.findall(r"[\u0621-\u064a]{2}\u0644\u0627\b", flat))
    return ends > 1 and ends > 2 * len(re.findall(r"\b\u0627\u0644[\u0621-\u064a]{2}", flat))


def _lines(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Runs of pieces on one baseline, in the order of the page."""
    lines: list[list[Piece]] = []
    last: Piece | None = None
    for piece in pieces:
        blank = not "".join(piece.clusters).strip()
        if last is not None and abs(piece.y - last.y) <= SAME_LINE * max(piece.size, last.size):
            lines[-1].append(piece)
        elif not blank:
            lines.append([piece])
        if not blank and (last is None or lines[-1][0] is piece or piece.size >= last.size):
            last = piece
    return lines


def _joined(lines: Sequence[Sequence[Piece]], visual: bool) -> str:
    rows = [row for line in lines if (row := _row(line, visual)).text]
    gaps = [above.y - below.y for above, below in pairwise(rows) if _follows(above, below)]
    usual = statistics.median(gaps) if gaps else 0.0
    out: list[str] = []
    at = 0
    while at < len(rows):
        end = at + 1
        while end < len(rows) and len(rows[end].cells) > 1 and _follows(rows[end - 1], rows[end]):
            end += 1
        made = table([row.cells for row in rows[at:end]]) if len(rows[at].cells) > 1 else None
        if out:
            gap = rows[at - 1].y - rows[at].y
            far = gap > BLANK_LINE * usual or gap < -SAME_LINE * rows[at].size
            out.append("\n\n" if (far and usual) or made or out[-1].startswith("| ") else "\n")
        out.append(made or rows[at].text)
        at = end if made else at + 1
    return "".join(out)


def _follows(above: "_Row", below: "_Row") -> bool:
    """Whether it is the next line of what may be one paragraph or table."""
    return 0 < above.y - below.y < 4 * below.size


class _Row(NamedTuple):
    y: float
    size: float
    text: str
    cells: tuple[Cell, ...]


def _row(line: Sequence[Piece], visual: bool) -> _Row:
    """A line as text, with a tab between its cells, and the cells; the first cell is read first."""
    groups: list[list[Piece]] = []
    for piece in _left_to_right(line):
        if not "".join(piece.clusters).strip() and not groups:
            continue
        last = groups[-1][-1] if groups else None
        if last is None or piece.x - last.end > CELL_GAP * max(piece.size, last.size):
            groups.append([])
        groups[-1].append(piece)
    cells = [Cell(group[0].x, group[-1].end, _line_text(group, visual).strip()) for group in groups]
    cells = [cell for cell in cells if cell.text]
    text = "".join(cell.text for cell in cells)
    if visual and not text.isascii() and len(_RTL.findall(text)) > len(_LTR.findall(text)):
        cells = [Cell(-cell.end, -cell.x, cell.text) for cell in reversed(cells)]
    if len(cells) > 1 and _BULLET.match(cells[0].text):
        first, second, *rest = cells
        cells = [Cell(first.x, second.end, f"{first.text} {second.text}"), *rest]
    joined = "\t".join(cell.text for cell in cells)
    return _Row(line[0].y, line[0].size, joined, tuple(cells))


def _line_text(line: Sequence[Piece], visual: bool) -> str:
    clusters = _clusters(_left_to_right(line))
    flat = "".join(clusters)
    if flat.isascii():
        return flat
    right = len(_RTL.findall(flat))
    if not right or not visual:
        return flat
    text = "".join(_logical(clusters, right > len(_LTR.findall(flat))))
    brackets = [letter for letter in text if letter in "()[]"]
    if brackets and brackets[0] in ")]" and brackets[-1] in "([":  # the font had them turned
        return text.translate(_MIRROR)
    return text


def _left_to_right(line: Sequence[Piece]) -> list[Piece]:
    """Runs that go rightwards, sorted by where they begin; marks stay beside their letter."""
    runs: list[list[Piece]] = []
    for piece in line:
        if runs and piece.x >= runs[-1][-1].x - 0.3 * piece.size:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    if len(runs) > 1:
        runs.sort(key=lambda run: run[0].x)
    return [piece for run in runs for piece in run]


def _clusters(line: Sequence[Piece]) -> list[str]:
    out: list[str] = []
    last: Piece | None = None
    for piece in line:
        if last is not None:
            if piece.clusters == last.clusters and abs(piece.x - last.x) < 0.1 * piece.size:
                continue  # set twice to look bold
            gap = (piece.x - last.end) / (max(piece.size, last.size) or 1.0)
            spaced = out[-1].endswith((" ", "\t")) or piece.clusters[0].startswith(" ")
            wide = _WIDE.match(out[-1][-1:]) and _WIDE.match(piece.clusters[0])
            if gap > (3 * WORD_GAP if wide else WORD_GAP) and not spaced:
                out.append(" ")
        out.extend(cluster for cluster in piece.clusters if cluster)
        if not out:
            continue
        last = piece
    return out


def _logical(clusters: Sequence[str], right_to_left: bool) -> list[str]:
    """Clusters as they stand from left to right, in the order in which they are spoken.

    The levels of the Unicode bidirectional algorithm, undone for one line of plain text.
    """
    kinds = [_kind(cluster) for cluster in clusters]
    if not right_to_left:
        out = list(clusters)
        for start, end in _runs(kinds, "R", clusters):
            out[start:end] = [_mirrored(each, True) for each in reversed(out[start:end])]
        return out
    order = list(clusters)[::-1]
    kinds = kinds[::-1]
    out = [_mirrored(each, kind == "N") for each, kind in zip(order, kinds, strict=True)]
    for start, end in _runs(kinds, "LD", order):
        out[start:end] = order[start:end][::-1]
    return out


def _runs(kinds: Sequence[str], wanted: str, clusters: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of the wanted kinds with the neutral ones between them."""
    runs: list[tuple[int, int]] = []
    for index, kind in enumerate(kinds):
        if kind not in wanted:
            continue
        if runs and _bridged(kinds, clusters, runs[-1][1], index, wanted):
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def _bridged(
    kinds: Sequence[str], clusters: Sequence[str], start: int, end: int, wanted: str
) -> bool:
    between = clusters[start:end]
    if any(kind != "N" for kind in kinds[start:end]):
        return False
    if wanted == "R" or not between:
        return True
    if kinds[start - 1] == "D" and kinds[end] == "D":  # two numbers, or one with signs in it
        return len(between) == 1 and between[0] in _NUMBER_SIGNS
    return True


def _kind(cluster: str) -> str:
    if _RTL.search(cluster) and not _DIGIT.search(cluster):
        return "R"
    if _DIGIT.search(cluster):
        return "D"
    return "L" if _LTR.search(cluster) else "N"


def _mirrored(cluster: str, mirror: bool) -> str:
    return cluster.translate(_MIRROR) if mirror else cluster
