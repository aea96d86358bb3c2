"""Checks of training rows that this process works on, so that a page need not wait for them.

They read only: one that a restart ends is made again.
"""

import threading
from dataclasses import dataclass

from app.server.works import Work, Works
from core.database import Database
from tuning.data.checkup import Checkup, check_up
from tuning.methods import RowKind


@dataclass(kw_only=True)
class RowCheck(Work):
    """One version of a data set, looked through once."""

    name: str
    version: int
    kind: RowKind
    found: Checkup | None = None


_checks = Works[tuple[str, int], RowCheck]("The check broke off ({}). Check again.")
_turn = threading.Lock()  # each takes a core to itself


def find(name: str, version: int) -> RowCheck | None:
    """The newest check of a version in this process."""
    return _checks.find((name, version))


def forget(name: str, version: int) -> None:
    """As if it had never been asked for."""
    _checks.forget((name, version))


def start(database: Database, name: str, version: int, kind: RowKind) -> RowCheck:
    """Begin in a thread; one that is under way is not begun again."""

    def work(made: RowCheck) -> None:
        with _turn:
            made.found = check_up(database, name, version, kind)

    return _checks.begin((name, version), RowCheck(name=name, version=version, kind=kind), work)
