"""Checks of training rows that this process works on, so that a page need not wait for them.

They read only: one that a restart ends is made again.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from core.database import Database
from core.errors import PromptstoneError
from tuning.data.checkup import Checkup, check_up
from tuning.methods import RowKind

_KEPT = 20


@dataclass
class RowCheck:
    """One version of a data set, looked through once."""

    name: str
    version: int
    kind: RowKind
    found: Checkup | None = None
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def lives(self) -> bool:
        return not self.done.is_set()


_known: OrderedDict[tuple[str, int], RowCheck] = OrderedDict()
_lock = threading.Lock()
_turn = threading.Lock()  # each takes a core to itself


def find(name: str, version: int) -> RowCheck | None:
    """The newest check of a version in this process."""
    with _lock:
        return _known.get((name, version))


def start(database: Database, name: str, version: int, kind: RowKind) -> RowCheck:
    """Begin in a thread; one that is under way is not begun again."""
    made = RowCheck(name, version, kind)
    with _lock:
        known = _known.get((name, version))
        if known is not None and known.lives:
            return known
        _known[name, version] = made
        _known.move_to_end((name, version))
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    threading.Thread(target=_work, args=(made, database), daemon=True).start()
    return made


def _work(made: RowCheck, database: Database) -> None:
    try:
        with _turn:
            made.found = check_up(database, made.name, made.version, made.kind)
    except PromptstoneError as error:
        made.error = error.message
    except Exception as error:
        made.error = f"The check broke off ({type(error).__name__}: {error}). Check again."
    finally:
        made.done.set()
