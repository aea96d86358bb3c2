"""Rows of cells as text: a small table as Markdown, a long one as `header: value` records.

A chunk cut out of the middle of a long Markdown table has lost its header; a record keeps it.
"""

from collections.abc import Sequence

from rag.parsing.extract import one_line, plain

MARKDOWN_CHARACTERS = 1200
"""What a table may measure to stay in one chunk, and so with its header."""
_HEADER_CHARACTERS = 80


def table_text(rows: Sequence[Sequence[str]], header: bool | None = None) -> str:
    """The rows as Markdown text; `header` says whether the first row names the columns.

    None lets the cells tell. Blank rows and columns are left out.
    """
    cells = _trimmed(rows)
    if not cells:
        return ""
    if len(cells[0]) == 1:
        return "\n".join(row[0] for row in cells)
    if header is None:
        header = names_columns(cells)
    size = sum(len(cell) + 3 for row in cells for cell in row)
    if size <= MARKDOWN_CHARACTERS:
        return _markdown(cells if header else [[""] * len(cells[0]), *cells])
    if header and len(cells) > 1:
        return "\n".join(record(cells[0], row) for row in cells[1:])
    between = ": " if len(cells[0]) == 2 else " | "
    return "\n".join(between.join(cell for cell in row if cell) for row in cells)


def names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like the names of the columns: short, different, no numbers."""
    first = rows[0]
    return (
        len(rows) > 1
        and len(first) > 1
        and all(first[1:])
        and len({cell.casefold() for cell in first}) == len(first)
        and not any(_number(cell) or len(cell) > _HEADER_CHARACTERS for cell in first)
        and not first[0].endswith((":", "："))
    )


def record(names: Sequence[str], row: Sequence[str]) -> str:
    """One row as `name: value; name: value`, blank cells left out."""
    pairs = zip(names, row, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)


def _number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").rstrip("%").lstrip("$€£¥ "))
    except ValueError:
        return False
    return True


def _trimmed(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    clean = [[one_line(plain(cell)) for cell in row] for row in rows]
    clean = [row for row in clean if any(row)]
    width = max((len(row) for row in clean), default=0)
    used = [any(index < len(row) and row[index] for row in clean) for index in range(width)]
    kept = [index for index in range(width) if used[index]]
    return [[row[index] if index < len(row) else "" for index in kept] for row in clean]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
