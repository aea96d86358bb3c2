"""What a reader hands back: the text of one document, and the small steps every reader shares."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_NEVER = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n|[\r\x0c\x85\u2028\u2029]")


@dataclass(frozen=True)
class Extract:
    """One document's text; Markdown where its format has structure."""

    media: str
    text: str
    title: str | None = None
    pages: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())


def plain(text: str) -> str:
    """Without control characters, lone surrogates and line ends other than a line feed."""
    return _NEVER.sub("", _LINE_ENDS.sub("\n", text))


def one_line(text: str) -> str:
    """`text` with every run of white space as one space."""
    return " ".join(text.split())


def title_of(text: str | None) -> str | None:
    """A title of at most 300 characters, or None when nothing is left of it."""
    return one_line(plain(text or ""))[:300] or None


def first_heading(text: str) -> str | None:
    """The first Markdown heading near the top of `text`."""
    found = re.search(r"^#{1,6} +(.+?)(?: +#+)?$", text[:20_000], re.MULTILINE)
    return title_of(found[1]) if found else None


def paged(media: str, parts: Iterable[str], title: str | None, notes: Iterable[str]) -> Extract:
    """Pages joined by a blank line, with the offset at which each begins."""
    pieces: list[str] = []
    pages: list[int] = []
    at = 0
    for part in parts:
        if pieces:
            pieces.append("\n\n")
            at += 2
        pages.append(at)
        clean = plain(part).strip()
        pieces.append(clean)
        at += len(clean)
    return Extract(media, "".join(pieces), title, tuple(pages), tuple(notes))


def counted(count: int, one: str, many: str) -> str:
    """`1 image was` or `3 images were`."""
    return f"1 {one}" if count == 1 else f"{count} {many}"
