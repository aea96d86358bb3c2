"""How states of runs and cells look: a word, a colour, a sign."""

from collections.abc import Iterable

from app.workspace.strings import raw
from evalsets.labels.queue_plan import DEFAULT_REASONS

RUN_COLORS = {
    "queued": "gray",
    "running": "blue",
    "paused": "orange",
    "completed": "green",
    "cancelled": "gray",
    "failed": "red",
}
SIGNS = {"good": "✓", "bad": "✗", "skip": "–", "failed": "!", "pending": "…", "highlighted": "★"}


def looks(state: str, *, highlighted: bool = False) -> tuple[str, ...]:
    """How a cell looks from afar, as names of `matrix_table.css`: by its sign, and highlighted."""
    named = (state,) if state in ("good", "bad", "skip", "failed") else ()
    return ("highlighted", *named) if highlighted else named


def run_badge(status: str) -> tuple[str, str]:
    """The badge of a run's state."""
    return raw(f"runs.state_{status}"), RUN_COLORS[status]


def reason(text: str | None) -> str | None:
    """Why a run stands still, in the reader's language where it is one of ours."""
    if text in ("command", "budget", "shutdown"):
        return raw(f"runs.reason_{text}")
    return text


def label_reason(name: str) -> str:
    """A reason of a label, in the reader's language where it is one that every plan offers."""
    if name in DEFAULT_REASONS:
        return raw(f"label.reason_{name.replace(' ', '_')}")
    return name


def label_reasons(names: Iterable[str]) -> str:
    """The reasons of one label as a list in words."""
    return ", ".join(map(label_reason, names))
