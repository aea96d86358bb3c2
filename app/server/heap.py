"""What glibc's allocator keeps for itself, given back; elsewhere nothing is done."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 1
_KEPT = 64 << 10


def keep_little() -> None:
    """One heap for all threads, and free pages at once back to the system.

    Each thread's own heap would keep what its busiest moment took; nothing here allocates so fast
    that threads would wait for one another.
    """
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT)


def trim() -> None:
    """Hand free pages back to the system, such as those that importing took."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
