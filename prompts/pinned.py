"""The texts that includes may name, for the request at hand; part of the rendering child."""

from typing import Any


class Pinned:
    """`pins`: NAME@N by who includes (`""`: a message) and what is written; `texts` by NAME@N."""

    def __init__(self) -> None:
        self.pins: dict[str, dict[str, str]] = {}
        self.texts: dict[str, str] = {}

    def use(self, told: dict[str, Any]) -> None:
        self.pins, self.texts = told.get("pins") or {}, told.get("texts") or {}

    def target(self, written: str, by: str | None) -> str | None:
        """NAME@N of what is written in `by`; None where nothing is pinned."""
        target = self.pins.get(by or "", {}).get(written)
        return target if target in self.texts else None


PINNED = Pinned()
