"""The process that reads documents: loads the libraries once, forks a confined child for each file.

Started as a file (`python -I -S -B worker.py PARSER LIBRARIES… OUR_FOLDER`) with a Unix socket as
stdin, on which each byte comes with two descriptors: a socket that carries one file and its
results, and a pipe that gets the exit status of the child. It ends when stdin does.
"""

import contextlib
import gc
import hashlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

PARSER = sys.argv[1]
sys.path += sys.argv[2:]
if PARSER == "builtin":  # openpyxl would load it for nothing
    sys.modules["numpy"] = None  # type: ignore[assignment]
from core.errors import PromptstoneError  # noqa: E402
from rag.parsing import confine, frames  # noqa: E402
from rag.parsing.archives import Member, members  # noqa: E402
from rag.parsing.formats import media_of  # noqa: E402
from rag.parsing.limits import Limits, require, size_text  # noqa: E402
from rag.parsing.packages import part  # noqa: E402
from rag.parsing.readers import READERS, load_everything  # noqa: E402

READ = 0
REFUSED = 3
NOTHING = 4
"""Exit statuses of a child that ended well: read, refused, or an archive that gave nothing."""


@dataclass(frozen=True)
class Job:
    """What holds for one file: its borders, how deep it lies, where its results go."""

    limits: Limits
    out: Callable[[frames.Result], None]
    ends: float
    """On the monotonic clock: when the outermost archive is given up."""
    depth: int = 0


def read_file(data: bytes, name: str, job: Job) -> int:
    """Give the results for one file, or for each file in an archive; the exit status for it."""
    digest = hashlib.sha256(data).hexdigest()
    limits = job.limits
    try:
        media = media_of(data, name)
        if media == "zip":
            require(
                job.depth < limits.depth,
                f"Archives lie in it more than {limits.depth} deep. Unpack them and add the files.",
            )
            return read_archive(data, name, job)
        confine.allow_forks(False)
        extract = READERS[media](data, limits)
        size = len(extract.text)
        require(
            size <= limits.text_bytes and len(extract.text.encode()) <= limits.text_bytes,
            f"Its text is longer than {size_text(limits.text_bytes)}. Split it.",
        )
        result = frames.Result(name, digest, extract, None)
    except PromptstoneError as error:
        result = frames.Result(name, digest, None, error.message)
    except MemoryError:
        result = frames.Result(name, digest, None, frames.TOO_MUCH_MEMORY)
    except RecursionError:
        result = frames.Result(name, digest, None, frames.TOO_DEEP)
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        result = frames.Result(name, digest, None, frames.stumbled(error))
    confine.allow_seconds(0)  # a result cut in two would spoil those behind it
    job.out(result)
    return READ if result.extract else REFUSED


def read_archive(data: bytes, name: str, job: Job) -> int:
    """Each member in a child of its own, until too much time went into what gave nothing."""
    archive, found = members(data, job.limits)
    wasted = 0.0
    useful = 0
    for index, member in enumerate(found):
        began = time.monotonic()
        if wasted >= job.limits.stopped_seconds or began >= job.ends:
            left = len(found) - index
            reason = f"{left} more files in it were not read, as others took too long. Split it."
            job.out(frames.Result(name, hashlib.sha256(data).hexdigest(), None, reason))
            break
        confine.allow_seconds(job.limits.seconds)
        code = _read_member(archive, member, f"{name}/{member.name}", job)
        useful += code == READ
        if code not in (READ, REFUSED):
            wasted += time.monotonic() - began
    confine.allow_seconds(0)
    return READ if useful else NOTHING


def _read_member(archive: Any, member: Member, name: str, job: Job) -> int | None:
    """The exit status for one member; None when it was stopped."""
    digest = hashlib.sha256(member.name.encode()).hexdigest()
    try:
        if member.problem:
            raise PromptstoneError(member.problem)
        content = part(archive, member.info)
        digest = hashlib.sha256(content).hexdigest()
    except (PromptstoneError, MemoryError) as error:
        reason = error.message if isinstance(error, PromptstoneError) else frames.TOO_MUCH_MEMORY
        job.out(frames.Result(name, digest, None, reason))
        return REFUSED
    confine.allow_seconds(0)
    pid = os.fork()
    if pid == 0:
        inner = replace(job, depth=job.depth + 1)
        _in_child(lambda: read_file(content, name, inner), job.limits)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) in (READ, REFUSED, NOTHING):
        return os.WEXITSTATUS(status)
    job.out(frames.Result(name, digest, None, frames.ended(status, job.limits.seconds)))
    return None


def _in_child(work: Callable[[], int], limits: Limits) -> None:
    """Run `work` in a process just forked, and end it."""
    code = 1
    try:
        confine.die_with_parent()
        confine.allow_seconds(limits.seconds)
        code = work()
    finally:
        os._exit(code)


def serve_one(stream: int) -> int:
    """Read one request from `stream` and answer it there."""
    pipe = os.fdopen(stream, "rb", closefd=False)
    (size,) = struct.unpack(">I", pipe.read(4))
    request = json.loads(pipe.read(size))
    data = pipe.read(request["bytes"])
    pipe.detach()
    limits = replace(Limits(), **request["limits"])
    confine.allow_seconds(limits.seconds)
    confine.refuse_events()
    confine.allow_forks(True)
    confine.bound(limits.memory_bytes)
    ends = time.monotonic() + limits.archive_seconds
    read_file(data, request["name"], Job(limits, lambda result: frames.send(stream, result), ends))
    return 0


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    load_everything(PARSER)
    confine.leave_network()
    confine.drop_rights()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    children: dict[int, int] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 4096)
            _reap(children)
        if control.fileno() in ready:
            byte, fds, _, _ = socket.recv_fds(control, 1, 2)
            if not byte:
                return
            if len(fds) == 2:
                _start(fds[0], fds[1], children, control)


def _start(stream: int, status: int, children: dict[int, int], control: socket.socket) -> None:
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        for other in children.values():
            os.close(other)
        os.close(status)
        _in_child(lambda: serve_one(stream), Limits())
    os.close(stream)
    children[pid] = status


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        pipe = children.pop(pid)
        with contextlib.suppress(OSError):
            os.write(pipe, struct.pack(">i", status))
        os.close(pipe)


if __name__ == "__main__":
    main()
