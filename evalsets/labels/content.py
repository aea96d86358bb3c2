"""What an annotator may say: words, reasons, texts and names fit to be stored. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Invalid

WORDS = ("good", "bad", "skip")
MAX_TEXT = 1 << 20
MAX_REASONS = 20
MAX_REASON = 200
MAX_ANNOTATOR = 128


@dataclass(frozen=True)
class LabelContent:
    """What an annotator says about an output; build it with `checked`."""

    label: str | None
    reasons: tuple[str, ...] = ()
    correction: str | None = None
    comment: str | None = None
    adjudicated: bool = False


def checked(
    label: str,
    reasons: Sequence[str] = (),
    correction: str | None = None,
    comment: str | None = None,
    *,
    adjudicated: bool = False,
) -> LabelContent:
    """A label fit to be stored: known word, texts of a sane size, blank texts as none."""
    if label not in WORDS:
        raise Invalid(f"There is no label {label!r}. Use one of {', '.join(WORDS)}.", param="label")
    kept = tuple(dict.fromkeys(reason.strip() for reason in reasons if reason.strip()))
    if len(kept) > MAX_REASONS or any(len(reason) > MAX_REASON for reason in kept):
        raise Invalid(
            f"At most {MAX_REASONS} reasons of {MAX_REASON} characters. Shorten them, or write a "
            "comment.",
            param="reasons",
        )
    for reason in kept:
        _check_text(reason, "reasons")
    return LabelContent(
        label, kept, _text(correction, "correction"), _text(comment, "comment"), adjudicated
    )


def _text(value: str | None, param: str) -> str | None:
    """A correction keeps its white space, because it is an output; one of blanks is none."""
    if value is None or not value.strip():
        return None
    _check_text(value, param)
    return value


def _check_text(value: str, param: str) -> None:
    if len(value) > MAX_TEXT:
        raise Invalid(f"The {param} has more than 1 million characters. Shorten it.", param=param)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(
            f"The {param} holds half a character (a lone surrogate). Correct the text.",
            param=param,
        ) from None


def checked_annotator(name: str) -> str:
    """An annotator is free text of one line."""
    name = name.strip()
    if not name or len(name) > MAX_ANNOTATOR or not name.isprintable():
        raise Invalid(
            f"An annotator is one line of 1 to {MAX_ANNOTATOR} characters. Write a name.",
            param="annotator",
        )
    return name
