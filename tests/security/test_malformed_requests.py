"""SAFETY E2: thousands of odd requests to every route with a good session: no 5xx, no hang."""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from app.server.protocol import BoundedProtocol
from tests.security.test_hostile_texts import HOSTILE
from tests.support.depth import DEEP
from tests.support.serving import Up, serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PATHS = (
    *("/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/sign-in", "/ui/streams"),
    *("/v1/chat/completions", "/v1/{t}", "/apps/{t}/invoke", "/api/{t}", "/ui/{t}", "/{t}"),
    *("/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/stream"),
    *("/_stcore/upload_file/{t}/{t}", "/_stcore/bidi-components/{t}", "/component/{t}/{t}"),
    *("/media/{t}", "/_stcore/allowed-message-origins", "/static/{t}", "/app/static/{t}"),
    *("/docs/{t}", "/runs?id={t}&tab={t}", "/label?queue={t}", "/prompts?name={t}", "/%2e%2e/{t}"),
)
NAMES = ("ids", "token", "id", "q", "page", "x")
BODIES = (b"", b"{}", b"[" * 20_000, b'{"a":' * 5_000, b"\xff\xfe\x00", b"null", b"1e999", b"NaN",
          b'{"model":"\\ud800","messages":[{"role":"\\u0000"}]}', b"a=b&" * 3000, b"x" * 300_000,
          b"--b\r\ncontent-disposition: form-data; name=f; filename=../../x\r\n\r\nx\r\n--b--")  # fmt: skip
TYPES = ("application/json", "text/plain", "multipart/form-data; boundary=b", "multipart/form-data",
         "application/x-www-form-urlencoded", "application/json; charset=utf-7", "", "\xff/\xfe", "x")  # fmt: skip
HEADERS = ("accept", "accept-encoding", "range", "if-none-match", "if-modified-since", "origin",
           "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "expect",
           "content-encoding", "x-xsrftoken", "referer", "user-agent", "idempotency-key",
           "authorization", "x-original-url", "x-http-method-override", "last-event-id")  # fmt: skip
TEXTS = [text for text in HOSTILE if len(text) < 6000]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with serving(tmp_path_factory.mktemp("odd") / "data") as server:
        server.sign_in()
        server.wait_ready()
        yield server


def _quoted(chance: random.Random) -> str:
    text = chance.choice(TEXTS)[:2000]
    return quote(text.encode("utf-8", "surrogatepass"), safe=chance.choice(("", "/?#&=", "%")))


def _target(chance: random.Random) -> str:
    path = chance.choice(PATHS)
    while "{t}" in path:
        path = path.replace("{t}", _quoted(chance) or "x", 1)
    names = (chance.choice(NAMES) for _ in range(chance.randrange(4)))
    query = "&".join(f"{name}={_quoted(chance)}" for name in names)
    return path + ("&" if "?" in path else "?") * bool(query) + query


def _header(chance: random.Random) -> bytes:
    text = chance.choice(TEXTS)[:500].encode("utf-8", "surrogatepass")
    return bytes(byte for byte in text if byte not in b"\r\n\x00") or b"x"


def _request(port: int, chance: random.Random, up: Up) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    method, body = chance.choice(METHODS), chance.choice(BODIES)
    connection.putrequest(method, _target(chance))
    connection.putheader("connection", "close")
    if chance.random() < 0.9:
        connection.putheader("cookie", up.cookie)
    if chance.random() < 0.7:
        connection.putheader("origin", f"http://{up.host}")
    for _ in range(chance.randrange(4)):
        connection.putheader(chance.choice(HEADERS), _header(chance))
    if method not in ("GET", "HEAD") or chance.random() < 0.1:
        connection.putheader("content-type", chance.choice(TYPES).encode("latin-1"))
        connection.putheader("content-length", str(len(body)))
    connection.endheaders()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if method not in ("GET", "HEAD"):
            connection.send(body)
    return connection.getresponse()


def test_odd_requests_are_answered_below_500_and_in_time(up: Up) -> None:
    chance, seen = random.Random(23), set[int]()
    for number in range(10_000 if DEEP else 1_000):
        began = time.monotonic()
        try:
            answer = _request(up.port, chance, up)
            body = answer.read()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            continue  # an end of the connection is an answer to what is no HTTP
        took = time.monotonic() - began
        assert answer.status < 500, (number, answer.status, body[:300])
        assert took < 5, number
        assert b"Traceback" not in body
        seen.add(answer.status)
    assert {200, 401, 404, 405, 422} <= seen, "the control: requests reached routes of all kinds"
    assert up.ask("/healthz").status == 200


def test_odd_frames_do_not_end_the_server(up: Up) -> None:
    chance = random.Random(5)
    url, cookie = f"ws://{up.host}/_stcore/stream", {"cookie": up.cookie}
    for _ in range(100 if DEEP else 10):
        with (
            contextlib.suppress(WebSocketException),
            connect(url, origin=f"http://{up.host}", additional_headers=cookie,
                    subprotocols=["streamlit"]) as tab,
        ):  # fmt: skip
            for _ in range(5):
                tab.send(chance.choice((chance.randbytes(200), "text", b"", b"\x00" * 70_000)))
            with contextlib.suppress(TimeoutError):
                tab.recv(timeout=0.1)
    assert up.ask("/healthz").status == 200
    assert up.process.poll() is None


HEADS = {
    "line": b"GET /",
    "header": b"GET / HTTP/1.1\r\nx: ",
    "trailer": b"POST /v1/x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
    "chunk": b"POST /v1/x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;",
}
MOST = 200 * 65_536


def _poured(port: int, head: bytes) -> int:
    """How many bytes of a request without an end the server takes."""
    poured = 0
    peer = socket.create_connection(("127.0.0.1", port), timeout=5)
    with peer, contextlib.suppress(OSError):
        peer.sendall(head)
        while poured < MOST:
            peer.sendall(b"a" * 65_536)
            poured += 65_536
    return poured


@pytest.mark.parametrize("head", HEADS)
def test_a_head_without_an_end_is_cut_off(up: Up, head: str) -> None:
    assert _poured(up.port, HEADS[head]) < MOST
    assert up.ask("/healthz").status == 200


def test_without_the_limit_it_is_taken_whole() -> None:
    """The control: the server's own protocol class, which this one replaces."""

    async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None: ...

    for http_class, whole in (("httptools", True), (BoundedProtocol, False)):
        config = uvicorn.Config(nothing, http=http_class, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        assert (_poured(listener.getsockname()[1], HEADS["header"]) == MOST) is whole
        server.should_exit = True
        thread.join(10)


def test_slow_senders_hold_up_nobody(up: Up) -> None:
    """Half requests and bodies of a byte at a time."""
    head = f"POST /v1/x HTTP/1.1\r\nhost: {up.host}\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", up.port)) for _ in range(200 if DEEP else 40)]
    for number, peer in enumerate(slow):
        peer.sendall(head + (b"content-length: 1000000\r\n\r\nx" if number % 2 else b"x: "))
    took: list[float] = []
    for number in range(50):
        with contextlib.suppress(OSError):
            slow[number % len(slow)].sendall(b"y")
        began = time.monotonic()
        assert up.ask("/healthz").status == 200
        took.append(time.monotonic() - began)
    assert sorted(took)[-2] < 0.5
    for peer in slow:
        peer.close()
