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

_TINTS = {
    "good": "rgba(44, 155, 135, .2)",
    "bad": "rgba(214, 84, 38, .2)",
    "skip": "rgba(128, 138, 150, .16)",
    "failed": "rgba(206, 148, 24, .26)",
    "highlighted": "rgba(138, 100, 205, .2)",
}
"""Translucent, so that they stand on a light and on a dark ground without a word to the server."""


def look(state: str, *, highlighted: bool = False) -> str:
    """CSS of a cell in a grid: what its sign says, seen from afar; a highlighted one is bold."""
    tint = _TINTS.get(state) or (_TINTS["highlighted"] if highlighted else None)
    parts = [f"background-color: {tint}"] if tint else []
    return "; ".join([*parts, "font-weight: 600"] if highlighted else parts)


def run_badge(status: str) -> tuple[str, str]:
    """The badge of a run's state."""
    return raw(f"runs.state_{status}"), RUN_COLORS[status]


def reason(text: str | None) -> str | None:
    """Why a run stands still, in the reader's language where it is one of ours."""
    if text in ("command", "budget", "shutdown"):
        return raw(f"runs.reason_{text}")
    return text
