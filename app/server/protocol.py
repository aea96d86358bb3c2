"""uvicorn's HTTP protocol with limits to what a client may leave undone, and our shape of errors.

llhttp takes a request line, a header or a trailer without end, and holds all of it in memory;
uvicorn waits for ever for one that does not come, and for a reader that does not read.
"""

import asyncio
import contextlib
import fcntl
import sys
import termios

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.server.errors import error_answer
from core.clock import new_id

MOST_UNFINISHED = 128 * 1024
"""Bytes of one head, in which a browser's cookies of all ports of this machine fit."""
_SENDER_SECONDS = 20.0
"""So long a head may take, or a body that nobody reads because its request is answered."""
_READER_SECONDS = 60.0
"""After so long a client that takes nothing of its answer is cut off."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection that exceeds a limit."""

    _unfinished = 0
    _moved = False
    _whole = True
    _sender: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has to say something."""
        super().connection_made(transport)
        self._wait_for_sender()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        super().connection_lost(exc)
        self._leave_sender()
        self._leave_reader()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then count what brought neither a whole head nor a piece of a body."""
        self._moved = False
        super().data_received(data)
        self._unfinished = 0 if self._moved else self._unfinished + len(data)
        if self._unfinished > MOST_UNFINISHED and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large. Send a shorter one.")
        if self._unfinished or (not self._whole and self._is_answered()):
            self._wait_for_sender()
        elif self._sender is not None:
            self._leave_sender()

    def on_message_begin(self) -> None:
        self._whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._moved = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved = self._whole = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP never reaches the application, which would name and shape the answer."""
        if msg.startswith("Invalid HTTP"):
            msg = "This is no valid HTTP request. Correct it."
        answer = error_answer(400, msg)
        answer.headers["x-request-id"] = new_id()
        answer.headers["connection"] = "close"
        head = b"".join(b"%b: %b\r\n" % header for header in answer.raw_headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[400], head, answer.body))
        self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is told; it has to read something."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        self._leave_reader()
        super().resume_writing()

    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    def _wait_for_sender(self) -> None:
        if self._sender is None:
            self._sender = self.loop.call_later(_SENDER_SECONDS, self.transport.abort)

    def _leave_sender(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            self._sender = None

    def _wait_for_reader(self) -> None:
        left = self._untaken()
        self._reader = self.loop.call_later(_READER_SECONDS, self._look_at_reader, left)

    def _look_at_reader(self, left: int) -> None:
        if self._untaken() < left:
            self._wait_for_reader()
        else:
            self.transport.abort()

    def _untaken(self) -> int:
        """Bytes that the client's machine has not confirmed; the kernel alone holds megabytes."""
        peer = self.transport.get_extra_info("socket")
        held = bytearray(4)
        with contextlib.suppress(OSError):
            fcntl.ioctl(peer.fileno(), termios.TIOCOUTQ, held)
        return self.transport.get_write_buffer_size() + int.from_bytes(held, sys.byteorder)

    def _leave_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
