"""How large a data set file may be; checked before unpacking wherever the format tells."""

MAX_FILE_BYTES = 256 << 20
MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_CELL_BYTES = 8 << 20
MAX_ROW_BYTES = 16 << 20
MAX_CONTENT_BYTES = 256 << 20
"""All rows together, as UTF-8 JSON: what a packed file may unfold to."""
MAX_VALUES = 10_000_000
"""Cells and members of nested lists and objects, each of which costs memory of its own."""
MAX_ARCHIVE_RATIO = 200
"""Unpacked to packed bytes of an XLSX; real workbooks stay below 30."""
MAX_ARCHIVE_MEMBERS = 10_000


def size_text(count: int) -> str:
    """Bytes as `8 MiB` or `512 bytes`."""
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"
