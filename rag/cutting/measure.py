"""Tokens of a stretch of text."""

from connectors.tokens import count_text


def tokens(text: str) -> int:
    """Tokens (o200k_base) of `text`."""
    return count_text(text).n


def longer_than(text: str, start: int, end: int, limit: int) -> bool:
    """Whether text[start:end] is sure to be cut at `limit` tokens; huge stretches go uncounted."""
    return end - start > 32 * limit or tokens(text[start:end]) > limit
