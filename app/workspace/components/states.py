"""How states of runs and cells look: a word, a colour, a sign."""

from app.workspace.strings import raw

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
