"""The verdict in words, in the reader's language."""

from collections.abc import Iterator

from app.telling import sentences
from app.workspace.strings import raw
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.words import Word
from evalsets.verdicts.service import RunVerdict

_COLORS = {
    Word.CANDIDATE: ("green", ":material/check:"),
    Word.BASELINE: ("red", ":material/close:"),
    Word.NO_DIFFERENCE: ("gray", ":material/remove:"),
    Word.TOO_FEW: ("orange", ":material/hourglass_empty:"),
}


def badge(one: Comparison) -> tuple[str, str, str]:
    """The word, its colour and its icon."""
    none = ("gray", ":material/remove:")
    color, icon = none if one.verdict is None else _COLORS[one.verdict]
    return sentences.word(raw, one), color, icon


def headline(one: Comparison, by: str) -> str:
    """The claim in one sentence."""
    return sentences.headline(raw, one, by)


def evidence(one: Comparison) -> str:
    """Difference, p, pairs and α, and what the reader must add in thought."""
    return sentences.evidence(raw, one)


def notes(read: RunVerdict) -> Iterator[str]:
    """What a reader must know about the labels."""
    return sentences.notes(raw, read)
