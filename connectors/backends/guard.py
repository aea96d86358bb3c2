"""Runs a server that must not outlive its watcher: `python -I -S guard.py LOG COMMAND...`.

stdin is a pipe whose other end the watcher holds: when it closes, however the watcher ended, the
server and all that it started are killed. What they print goes to LOG, which never grows beyond
twice `MOST_LOG`. SIGTERM asks the server to end, and kills it if it does not.
"""

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time

MOST_LOG = 2 << 20
GRACE_SECONDS = 4.0
_SUBREAPER, _DEATH = 36, 1


def main(log: str, command: list[str]) -> int:
    """Run `command` to its end; its exit status, or 128 and the signal."""
    _prctl(_SUBREAPER, 1)
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        process_group=0, preexec_fn=lambda: _prctl(_DEATH, signal.SIGKILL),
    )  # fmt: skip
    asked: list[float] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(time.monotonic()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        follow(child, log, asked)
    finally:
        end(child)
    status = child.returncode
    return status if status >= 0 else 128 - status


def follow(child: "subprocess.Popen[bytes]", log: str, asked: list[float]) -> None:
    """Copy what it prints until it ends, the pipe closes, or it was asked to end in vain."""
    assert child.stdout is not None
    told = False
    with selectors.DefaultSelector() as waiting:
        waiting.register(0, selectors.EVENT_READ)
        waiting.register(child.stdout, selectors.EVENT_READ)
        while child.poll() is None:
            for key, _ in waiting.select(0.2):
                read = os.read(key.fd, 65536)
                if key.fd != 0:
                    write(log, read)
                    if not read:
                        waiting.unregister(key.fileobj)
                elif not read:
                    return
            if asked and not told:
                told = True
                signal_group(child.pid, signal.SIGTERM)
            if asked and time.monotonic() - asked[0] > GRACE_SECONDS:
                return
    os.set_blocking(child.stdout.fileno(), False)
    try:
        while last := os.read(child.stdout.fileno(), 65536):
            write(log, last)
    except OSError:
        return


def write(log: str, text: bytes) -> None:
    """Append; a full log becomes the old one. A full disk must not end a server."""
    try:
        with open(log, "ab") as file:
            file.write(text)
            size = file.tell()
        if size > MOST_LOG:
            os.replace(log, log + ".old")  # noqa: PTH105
    except OSError:
        return


def end(child: "subprocess.Popen[bytes]") -> None:
    """Leave nothing of it: its group, and all others of the session that this process leads."""
    signal_group(child.pid, signal.SIGKILL)
    child.wait()
    for pid in others():
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue


def others() -> list[int]:
    """Processes of our session, where the kernel tells them."""
    found: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else ()):  # noqa: PTH112, PTH208
        try:
            if int(name) != os.getpid() and os.getsid(int(name)) == os.getpid():
                found.append(int(name))
        except OSError:
            continue
    return found


def signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        return


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
