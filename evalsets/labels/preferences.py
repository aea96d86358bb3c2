"""Pairwise labels of a run: the newest of a pair of cells and an annotator counts."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlmodel import Session, col, select

from core.canonical import content_hash
from evalsets.models import Preference


class PreferenceKey(NamedTuple):
    """Two cells of one case, the smaller number first, and who compared them."""

    first: int
    second: int
    annotator: str


def newest_preferences(session: Session, run_id: str) -> dict[PreferenceKey, Preference]:
    """The rows that count."""
    query = select(Preference).where(Preference.run_id == run_id).order_by(col(Preference.id))
    return {
        PreferenceKey(min(row.cell_a, row.cell_b), max(row.cell_a, row.cell_b), row.annotator): row
        for row in session.exec(query)
    }


def preferences_hash(rows: Mapping[PreferenceKey, Preference]) -> str:
    """64 hex digits that change whenever a preference that counts does."""
    return content_hash(sorted([*key, turned(row)] for key, row in rows.items()))


def turned(row: Preference) -> str:
    """The preference as if the smaller cell were `a`."""
    if row.cell_a < row.cell_b or row.preference == "tie":
        return row.preference
    return "b" if row.preference == "a" else "a"
