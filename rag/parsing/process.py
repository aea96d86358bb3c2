"""Documents to text in a confined process: bytes go in, text comes out, nothing else."""

import contextlib
import hashlib
import importlib.util
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from rag.parsing import frames
from rag.parsing.limits import Limits, size_text

WORKER = Path(__file__).with_name("worker.py")
AT_ONCE = 2
_OURS = Path(__file__).parents[2]
_LIBRARIES = (
    "cobble", "cryptography", "defusedxml", "et_xmlfile", "lxml", "mammoth",
    "openpyxl", "PIL", "pptx", "pypdf", "typing_extensions", "xlsxwriter",
)  # fmt: skip
_DOCLING = ("docling", "docling_core", "bs4", "numpy", "pandas", "pydantic")
_ENVIRONMENT = {"OPENPYXL_DEFUSEDXML": "False", "OPENBLAS_NUM_THREADS": "1"}
"""Half as slow; what defusedxml refuses, `packages.office_package` has refused before. NumPy, where
it is loaded, starts no threads: a process that forks must have none."""
_START_SECONDS = 30.0
_SLACK_SECONDS = 5.0


@dataclass(frozen=True)
class Parsed:
    """The text of one document."""

    name: str
    """`a.pdf`, or `bundle.zip/inner/a.pdf` for a file in an archive."""
    content_hash: str
    """SHA-256 of the bytes of this file, in hex."""
    media: str
    title: str | None
    text: str
    """Markdown where the format has structure."""
    pages: tuple[int, ...]
    """Offsets in `text` at which pages, slides, sheets or chapters begin; () without any."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A file that gives no text, and why; the sentence ends with the remedy."""

    name: str
    content_hash: str
    reason: str


class _ReaderGone(Exception):
    """The process that forks the readers is no more."""


class Parser:
    """Owns the process that reads documents; thread-safe, two files at a time."""

    def __init__(self, limits: Limits | None = None, parser: str = "builtin") -> None:
        """`parser`: a kind of `rag.parser_settings`."""
        self._limits = limits or Limits()
        self._parser = parser
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> "Parser":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id of the living reader."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def parse(self, data: bytes, name: str) -> list[Parsed | Refused]:
        """The document in `data`, or each of those in an archive; what fails is Refused."""
        digest = hashlib.sha256(data).hexdigest()
        most = self._limits.file_bytes
        if len(data) > most:
            reason = f"It has {size_text(len(data))}; {size_text(most)} are read at most. Split it."
            return [Refused(name, digest, reason)]
        with self._slots:
            for _ in range(2):
                with contextlib.suppress(_ReaderGone):
                    return self._read(data, name, digest)
        return [Refused(name, digest, "Its reader does not start. Run `promptstone doctor`.")]

    def close(self) -> None:
        """End the reader and whatever it reads."""
        with self._lock:
            self._stop()

    def _read(self, data: bytes, name: str, digest: str) -> list[Parsed | Refused]:
        ours, status = self._order()
        head = {"name": name, "bytes": len(data), "limits": asdict(self._limits)}
        packed = json.dumps(head).encode("ascii")
        found: list[Parsed | Refused] = []
        try:
            with ours:
                ours.settimeout(_START_SECONDS)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    ours.sendall(struct.pack(">I", len(packed)) + packed)
                    ours.sendall(data)
                ours.settimeout(self._limits.seconds + _SLACK_SECONDS)
                while (result := self._receive(ours)) is not None:
                    found.append(_public(result, name))
            code = _exit_status(status)
        except (ValueError, KeyError, TypeError):
            return [*found, Refused(name, digest, frames.CRASHED)]
        except TimeoutError:
            return [*found, Refused(name, digest, frames.ended(14, self._limits.seconds))]
        finally:
            os.close(status)
        if code is None and not found:
            raise _ReaderGone
        if code != 0 or not found:
            found.append(Refused(name, digest, frames.ended(code or 0, self._limits.seconds)))
        return found

    def _order(self) -> tuple[socket.socket, int]:
        """A socket to a child just forked, and the pipe on which its exit status will come."""
        ours, theirs = socket.socketpair()
        status, their_status = os.pipe()
        try:
            with self._lock:
                self._start()
                assert self._control is not None
                socket.send_fds(self._control, [b"f"], [theirs.fileno(), their_status])
        except OSError:
            ours.close()
            os.close(status)
            raise _ReaderGone from None
        finally:
            theirs.close()
            os.close(their_status)
        return ours, status

    def _receive(self, stream: socket.socket) -> frames.Result | None:
        head = _exactly(stream, frames.HEAD.size, or_end=True)
        if head is None:
            return None
        head_bytes, body_bytes = frames.HEAD.unpack(head)
        if head_bytes > frames.MAX_HEAD_BYTES or body_bytes > self._limits.text_bytes:
            raise ValueError("the reader's answer is too long")
        packed = _exactly(stream, head_bytes) or b""
        return frames.received(packed, _exactly(stream, body_bytes) or b"")

    def _start(self) -> None:
        if self.pid is not None:
            return
        self._stop()
        ours, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(WORKER), *self._arguments()],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
            )
        self._control = ours

    def _arguments(self) -> list[str]:
        more = _DOCLING if self._parser == "docling" else ()
        return [self._parser, *_folders((*more, *_LIBRARIES)), str(_OURS)]

    def _stop(self) -> None:
        child, self._child = self._child, None
        if self._control is not None:
            self._control.close()
            self._control = None
        if child is not None:
            child.kill()
            child.wait()


def _folders(libraries: Sequence[str]) -> list[str]:
    """Where the libraries of the readers lie; usually one folder."""
    found: dict[str, None] = {}
    for name in libraries:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            found[str(origin.parents[1] if origin.stem == "__init__" else origin.parent)] = None
    return list(found)


def _exactly(stream: socket.socket, size: int, *, or_end: bool = False) -> bytes | None:
    body = bytearray()
    while len(body) < size:
        piece = stream.recv(min(size - len(body), 1 << 20))
        if not piece:
            if or_end and not body:
                return None
            raise ValueError("the reader's answer is cut off")
        body += piece
    return bytes(body)


def _exit_status(pipe: int) -> int | None:
    """As waitpid gives it; None when the process that would write it has ended."""
    packed = os.read(pipe, 4)
    return struct.unpack(">i", packed)[0] if len(packed) == 4 else None


def _public(result: frames.Result, name: str) -> Parsed | Refused:
    if result.name != name and not result.name.startswith(f"{name}/"):
        raise ValueError("the reader's answer is about another file")
    if result.extract is None:
        return Refused(result.name, result.digest, result.reason or frames.CRASHED)
    extract = result.extract
    return Parsed(
        result.name, result.digest, extract.media, extract.title, extract.text,
        extract.pages, extract.notes,
    )  # fmt: skip
