"""The HTTP server of a PEFT worker: loopback, behind a key, with what its libraries bring."""

import hmac
import json
import queue
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tuning.trainer.serve_line import Call, Line
from tuning.trainer.serve_wire import Ask, Bad, Begun, ChatAsk, End, Piece, Shape, TextAsk, read

MOST_BODY = 8 << 20
LOOK_SECONDS = 0.2
_FORMS: dict[str, type[Ask]] = {"/v1/chat/completions": ChatAsk, "/v1/completions": TextAsk}
_GETS = ("/health", "/v1/models", "/metrics")


class Served(NamedTuple):
    """What a server answers for."""

    model: str
    key: str
    context: int


class Server(ThreadingHTTPServer):
    """A thread for each connection, of which there are few more than calls that may wait."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, served: Served, line: Line, most: int) -> None:
        self.served, self.line = served, line
        self._room = threading.Semaphore(2 * most + 32)
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """One connection too many is closed."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Its room is free when it ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "promptstone", ""
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        self._guarded(self._get)

    def do_POST(self) -> None:
        self._guarded(self._post)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library itself refuses, such as another method."""
        self.close_connection = True
        self._refuse(Bad(f"{message or explain or 'It is not understood'}. Correct it.", code))

    def log_message(self, format: str, *args: Any) -> None:
        """No line a request."""

    def _guarded(self, todo: Any) -> None:
        try:
            if self.path != "/health":
                given = self.headers.get("Authorization", "").encode("latin-1", "replace")
                if not hmac.compare_digest(given, f"Bearer {self.server.served.key}".encode()):
                    raise Bad("The key is missing or wrong. Send it as a bearer token.", 401)
            todo()
        except Bad as bad:
            # What was not read of the body would be taken for the next request.
            self.close_connection = True
            self._refuse(bad)

    def _get(self) -> None:
        if self.path not in _GETS:
            raise Bad("There is no such page here.", 404)
        if self.path == "/metrics":
            self._send(200, self.server.line.metrics().encode(), "text/plain")
            return
        served = self.server.served
        row = {"id": served.model, "object": "model", "max_model_len": served.context}
        listed = {"object": "list", "data": [row]}
        self._json(200, listed if self.path == "/v1/models" else {"status": "ok"})

    def _post(self) -> None:
        form = _FORMS.get(self.path)
        if form is None:
            raise Bad("There is no such page here.", 404)
        ask = read(self._body(), form)
        if ask.model != self.server.served.model:
            message = f"There is no model {ask.model[:100]!r} here. See /v1/models."
            raise Bad(message, 404, param="model", code="model_not_found")
        call = Call(ask)
        self.server.line.put(call)
        try:
            self._answer(call)
        except (OSError, _Gone):
            self.close_connection = True
        finally:
            call.gone.set()

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or "Transfer-Encoding" in self.headers:
            raise Bad("The length of the body is not told. Send Content-Length.", 411)
        if int(length) > MOST_BODY:
            raise Bad(f"The body has more than {MOST_BODY >> 20} MiB. Send less.", 413)
        return self.rfile.read(int(length))

    def _answer(self, call: Call) -> None:
        events = self._events(call)
        begun = next(events)
        assert isinstance(begun, Begun)
        number = f"chatcmpl-{secrets.token_hex(12)}"
        shape = Shape(number, int(time.time()), call.ask, begun.prompt)
        if call.ask.stream:
            self._stream(call.ask, shape, events)
            return
        text, ids, finish = "", [], "stop"
        for event in events:
            if isinstance(event, Piece):
                text, ids = text + event.text, ids + event.ids
            elif isinstance(event, End):
                finish = event.finish
        self._json(200, shape.whole(text, ids, finish))

    def _stream(self, ask: Ask, shape: Shape, events: Iterator[Begun | Piece | End]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        first, made = shape.first(), 0
        if first is not None:
            self._event(first)
        try:
            for event in events:
                if isinstance(event, Piece):
                    made += len(event.ids)
                    self._event(shape.piece(event))
                elif isinstance(event, End):
                    self._event(shape.last(event.finish))
        except Bad as bad:
            self._event(bad.body())
            return
        if ask.counted:
            self._event(shape.counted(made))
        self.wfile.write(b"data: [DONE]\n\n")

    def _events(self, call: Call) -> Iterator[Begun | Piece | End]:
        """What is told of a call. Raises Bad, or _Gone when nobody listens any more."""
        looked, event = time.monotonic(), None
        while not isinstance(event, End):
            try:
                event = call.events.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                event = None
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                if self._is_gone():
                    raise _Gone
            if isinstance(event, Bad):
                raise event
            if event is not None:
                yield event

    def _is_gone(self) -> bool:
        waiting = select.poll()
        waiting.register(self.connection, select.POLLIN)
        try:
            return bool(waiting.poll(0)) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def _event(self, body: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")

    def _refuse(self, bad: Bad) -> None:
        try:
            self._json(bad.status, bad.body())
        except OSError:
            self.close_connection = True

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class _Gone(Exception):
    """The caller hung up."""
