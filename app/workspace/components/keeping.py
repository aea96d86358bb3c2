"""What takes long to read is read less often."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")
_LEAST_SECONDS = 4.0
_SPARING = 50
"""A read may take 2 % of one core, whoever looks."""
_MOST = 64
_kept: dict[Hashable, tuple[float, Any]] = {}
_lock = Lock()


def kept(key: Hashable, read: Callable[[], T]) -> T:
    """What `read` gave last, for at least 4 s and fifty times as long as it took."""
    now = time.monotonic()
    with _lock:
        found = _kept.get(key)
    if found is not None and now < found[0]:
        return found[1]
    value = read()
    ended = time.monotonic()
    with _lock:
        if len(_kept) >= _MOST:
            _kept.clear()
        _kept[key] = (ended + max(_LEAST_SECONDS, _SPARING * (ended - now)), value)
    return value
