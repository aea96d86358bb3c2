"""A child process that cannot outlive its parent, however the parent ends."""

import ctypes
import os
import signal
import sys

PARENT = "PROMPTSTONE_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL at the parent's death; exit if it is dead already.

    SIGKILL, so that the successor of a killed server finds the runs free at once.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(1)


def child_environment() -> dict[str, str]:
    """The environment of a child that is to call `die_with_parent`."""
    return {**os.environ, PARENT: str(os.getpid())}
