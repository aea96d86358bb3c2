"""What a reading process may not do: open, start or reach anything. Linux enforces, Python too."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import Any

_NEW_NET = 0x40000000
_NEW_USER = 0x10000000
_PARENT_DEATH = 1
_NO_NEW_PRIVILEGES = 38
_NOBODY = 65534
_REFUSED = (
    "open", "os.", "shutil.", "tempfile.", "subprocess.", "socket.", "ctypes.", "pickle.", "pty.",
    "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.", "sqlite3.", "glob.", "syslog.",
    "mmap.", "fcntl.", "code.", "cpython.run", "winreg.",
)  # fmt: skip
_state = {"forks": False}
_libc = ctypes.CDLL(None, use_errno=True)
_prctl = getattr(_libc, "prctl", None)
_unshare = getattr(_libc, "unshare", None)


def leave_network() -> bool:
    """Move to a network of its own without any interface; whether the system allowed it."""
    if _unshare is None:
        return False
    flags = _NEW_NET if os.geteuid() == 0 else _NEW_NET | _NEW_USER
    return _unshare(flags) == 0 or _unshare(_NEW_NET | _NEW_USER) == 0


def drop_rights() -> None:
    """No longer root, if it was; no rights to be gained later."""
    if _prctl is not None:
        _prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)


def refuse_events() -> None:
    """From now on Python itself refuses to open, start, fetch, unpickle or change anything."""
    sys.addaudithook(_audit)


def allow_forks(allowed: bool) -> None:
    """Whether this process may fork, as one that reads an archive does for each member."""
    _state["forks"] = allowed


def _audit(event: str, _arguments: tuple[Any, ...]) -> None:
    if event == "os.fork" and _state["forks"]:
        return
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is refused in a process that reads documents")


def die_with_parent() -> None:
    """Let the system end this process when the one that forked it ends."""
    if _prctl is not None:
        _prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)


def bound(memory_bytes: int, files: int = 0) -> None:
    """No more open files or sockets, nothing written, so much address space; hard limits."""
    for name, limit in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_NOFILE", files),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (limit, limit))


def allow_seconds(seconds: int) -> None:
    """So much more wall and processor time before the system ends this process; 0: no limit."""
    signal.alarm(seconds)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(usage.ru_utime + usage.ru_stime) + seconds + 1 if seconds else hard
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
