"""How much one file may ask of its reader; each border is named in the sentence of its refusal."""

from dataclasses import dataclass

from core.errors import TooLarge

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Borders for one file; a member of an archive is a file of its own."""

    seconds: int = 18
    """Wall and processor time; the process is ended by the system after it."""
    memory_bytes: int = 1000 * MIB
    """Address space of the reading process."""
    file_bytes: int = 200 * MIB
    text_bytes: int = 64 * MIB
    """UTF-8 text that may come out of one file."""
    pages: int = 5_000
    line_bytes: int = 8 * MIB
    """One row of CSV or one line of JSONL."""
    unpacked_bytes: int = 1024 * MIB
    """All members of an archive together; of an Office file or EPUB, a quarter of it."""
    members: int = 5_000
    ratio: int = 200
    """Unpacked to packed bytes, asked of what unpacks to more than `ratio_free_bytes`."""
    ratio_free_bytes: int = 10 * MIB
    depth: int = 2
    """Archives within archives, the outermost counted."""
    stopped_seconds: int = 18
    """What the members of one archive may waste in giving nothing before the rest is refused."""
    archive_seconds: int = 600
    """For an archive with all that lies in it."""


def size_text(count: int) -> str:
    """Bytes as `8 MiB` or `512 bytes`."""
    return f"{count >> 20} MiB" if count >= MIB else f"{count} bytes"


def require(fits: bool, sentence: str) -> None:
    """Raise TooLarge with `sentence` unless it fits."""
    if not fits:
        raise TooLarge(sentence)
