"""uvicorn's HTTP protocol with a limit to what it reads without getting anywhere.

llhttp takes a request line, a header or a trailer without end, and holds all of it in memory.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_UNFINISHED = 128 * 1024
"""Bytes of one head, in which a browser's cookies of all ports of this machine fit."""


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose head or trailer exceeds the limit."""

    _unfinished = 0
    _moved = False

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then count what brought neither a whole head nor a piece of a body."""
        self._moved = False
        super().data_received(data)
        self._unfinished = 0 if self._moved else self._unfinished + len(data)
        if self._unfinished > MOST_UNFINISHED and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._moved = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)
