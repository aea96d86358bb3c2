"""What the first drawing of a page leaves behind for good is set apart from collection."""

import gc
from threading import Lock

_drawn: set[str] = set()
_lock = Lock()


def settle(page: str) -> None:
    """Freeze, once a page and process, what was loaded, mapped and cached to draw it.

    Streamlit collects garbage after every script run, and each collection would walk over these
    some fifty thousand objects again: 13 of the 45 ms that a label's press took.
    """
    with _lock:
        if page in _drawn:
            return
        _drawn.add(page)
    gc.collect()
    gc.freeze()
