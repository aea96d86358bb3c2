"""Names of documents, and what is embedded and looked up of a passage."""

from collections.abc import Sequence

MOST_NAME_BYTES = 1000  # PostgreSQL's index takes no key of more than 2,704 bytes


def searched_text(title: str, headings: Sequence[str], text: str) -> str:
    """Title, headings and text, a line each; what the text begins with is not said twice.

    A passage often leaves its subject to the heading above it, so both searches read that too.
    """
    head = text[:400]
    above = [line for line in dict.fromkeys([title, *headings]) if line and line not in head]
    return "\n".join([*above, text])


def document_name(name: str) -> str:
    """A name as it is shown: what would act on a terminal is spelled out, the middle cut out."""
    name = name.encode("utf-8", "backslashreplace").decode()
    name = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name)
    raw = name.encode()
    if len(raw) <= MOST_NAME_BYTES:
        return name
    ends = raw[:600].decode(errors="ignore"), raw[-390:].decode(errors="ignore")
    return "…".join(ends)
