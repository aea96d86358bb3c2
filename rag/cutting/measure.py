"""Tokens of a stretch of text, safely: tiktoken panics on some hundred thousand blanks in a row."""

from connectors.tokens import count_text

_WINDOW = 8192


def tokens(text: str) -> int:
    """Tokens (o200k_base) of `text`; above 8192 characters, the sum over windows cut at blanks."""
    if len(text) <= _WINDOW:
        return count_text(text).n
    total = at = 0
    while at < len(text):
        end = at + _WINDOW
        if end < len(text):
            # A token begins with a blank, never ends with one: a cut before it changes no count.
            blank = text.rfind(" ", at + _WINDOW // 2, end)
            end = blank if blank > 0 else end
        total += count_text(text[at:end]).n
        at = end
    return total


def longer_than(text: str, start: int, end: int, limit: int) -> bool:
    """Whether text[start:end] is sure to be cut at `limit` tokens; huge stretches go uncounted."""
    return end - start > 32 * limit or tokens(text[start:end]) > limit
