"""Names and texts from people, files and models, made harmless for labels and visible for eyes."""

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_SPACES = re.compile(r"\s+")
_LINKS = re.compile(r"\b(https?|www)(?=[:.])", re.IGNORECASE)
_MAIL = re.compile(r"@(?=[-\w]+\.)")
_WORD_JOINER = "\u2060"
# C0 and C1 controls but tab, line feed and carriage return; bidi overrides and isolates.
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


def visible(text: str) -> str:
    """The text with control and bidi-override characters shown as symbols or `⟨U+202E⟩`."""
    return _HIDDEN.sub(_symbol, text)


def _symbol(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨U+{code:04X}⟩"


def plain(text: object) -> str:
    """One line that a Markdown label shows as it is: no markup, icon, colour, image or link."""
    line = _SPACES.sub(" ", visible(str(text))).strip()
    # Autolinks are found in the text after escapes were taken away, hence the invisible joiner.
    line = _LINKS.sub(rf"\1{_WORD_JOINER}", line)
    line = _MAIL.sub(f"@{_WORD_JOINER}", line)
    return _PUNCTUATION.sub(r"\\\1", line)


def preview(text: str | None, length: int = 200) -> str:
    """The first characters of a text on one line, for a table's cell."""
    line = _SPACES.sub(" ", visible(text or "")).strip()
    return line if len(line) <= length else line[: length - 1] + "…"
