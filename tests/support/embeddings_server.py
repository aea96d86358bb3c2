"""A loopback server with OpenAI's /v1/embeddings; its model's name says how it misbehaves."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSIONS = 8


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Numbers that follow from the text, not of length 1."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return [float(value) for value in np.random.default_rng(seed).standard_normal(dimensions) * 3]


class EmbeddingsServer(ThreadingHTTPServer):
    """What it was asked, and where it listens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingsServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, **body})
        self.server.keys.append(self.headers.get("Authorization", ""))
        status, answer, headers = self._answer(body)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def _answer(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        dimensions = body.get("dimensions", DIMENSIONS)
        data: list[Any] = [
            {"index": at, "embedding": vector_of(text, dimensions)}
            for at, text in enumerate(body["input"])
        ]
        match body["model"]:
            case "backwards":
                data.reverse()
            case "short":
                data.pop()
            case "ragged":
                data[-1]["embedding"].pop()
            case "infinite":
                return 200, json.dumps({"data": data}).encode().replace(b"0.", b"1e999+", 1), {}
            case "words":
                data[0]["embedding"][0] = "much"
            case "zero":
                data[0]["embedding"] = [0.0] * dimensions
            case "same-index":
                for row in data:
                    row["index"] = 0
            case "html":
                return 200, b"<html>hello</html>", {}
            case "busy-once" if len(self.server.asked) == 1:
                return 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"}
            case "echokey":
                said = {"error": {"message": f"bad key {self.headers.get('Authorization')}"}}
                return 401, said, {}
            case "redirect":
                return 307, b"", {"Location": "http://127.0.0.1:9/v1/embeddings"}
            case _:
                pass
        return 200, {"data": data}, {}


@contextmanager
def embeddings_server() -> Iterator[EmbeddingsServer]:
    """Runs while the block does."""
    server = EmbeddingsServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
