"""One searcher a database in a process: its indexes and embedders are loaded once."""

import threading
import weakref
from typing import TYPE_CHECKING, cast

from core.database import Database

if TYPE_CHECKING:
    from rag.searching import Searcher

_LOCK = threading.Lock()
_SEARCHERS: "weakref.WeakKeyDictionary[Database, Searcher]" = weakref.WeakKeyDictionary()


def searcher_of(database: Database) -> "Searcher":
    """The one searcher of a database in this process; its embedders end with the database."""
    with _LOCK:
        known = _SEARCHERS.get(database)
        if known is None:
            from rag.searching import Searcher  # numpy and embedders: half a second

            # By a proxy, so that the searcher does not keep alive what it ends with.
            known = Searcher(cast(Database, weakref.proxy(database)))
            _SEARCHERS[database] = known
            weakref.finalize(database, known.close)
    return known


def close_searcher(database: Database) -> None:
    """End its embedders and indexes, if any; the next `searcher_of` makes a new one."""
    with _LOCK:
        known = _SEARCHERS.pop(database, None)
    if known is not None:
        known.close()
