"""A provider on loopback that says its prompt back word by word; the model's name says how."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PACE = re.compile(r"paced-(\d+)")


class Talker:
    """`url` ends in /v1. Models: `paced-50` (ms a word), `held` (waits after its first word for
    `go`), `broken` (answers 400). `asked` are the bodies, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.go = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    talker: Talker

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.talker.asked.append(body)
        if body["model"] == "broken":
            return self._plain(400, {"error": {"message": "this model is broken"}})
        words = re.findall(r"\S+\s*", body["messages"][-1]["content"])
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(words)}
            return self._plain(200, {"choices": [{"index": 0, "message": message}]})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        with contextlib.suppress(OSError):  # who asked has gone
            self._say(body["model"], words)
        return None

    def _say(self, model: str, words: list[str]) -> None:
        pace = int(found[1]) / 1000 if (found := _PACE.fullmatch(model)) else 0.0
        for place, word in enumerate(words):
            if model == "held" and place == 1:
                self.talker.go.wait(20)
            time.sleep(pace)
            self._event({"choices": [{"index": 0, "delta": {"content": word}}]})
        usage = {"prompt_tokens": 7, "completion_tokens": len(words)}
        self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def _plain(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def talking() -> Iterator[Talker]:
    """A talker that listens until the end of the block."""
    talker = Talker()
    handler = type("Handler", (_Handler,), {"talker": talker})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    talker.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield talker
    finally:
        talker.go.set()
        server.shutdown()
        server.server_close()
