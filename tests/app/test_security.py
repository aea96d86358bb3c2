"""Nothing passes without a session; hosts, origins and malformed requests."""

import asyncio
import base64
import contextlib
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from app.server import guard
from app.server.guard import PUBLIC, Guard
from app.server.hosts import host_rule, is_host_allowed, is_same_origin
from app.server.sessions import Sessions
from core.database import Database
from core.models import User
from core.users import ensure_admin, make_link_token, redeem
from serving.live import Live
from tests.support.depth import DEEP
from tests.support.serving import Up, ask, serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One signed-in server for all tests that leave it as it is."""
    with serving(tmp_path_factory.mktemp("security") / "data") as server:
        server.sign_in()
        yield server


@pytest.fixture(scope="module")
def routes() -> list[tuple[str, str]]:
    """Kind and path of every route there is."""
    script = Path(__file__).parents[1] / "support" / "routes.py"
    found = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    rows = json.loads(found.stdout)
    return sorted({(kind, re.sub(r"\{[^}]*\}", "x", path) or "/") for kind, path, _ in rows})


def test_every_route_is_closed_but_the_public_ones(up: Up, routes: list[tuple[str, str]]):
    paths = {path for kind, path in routes if kind != "WebSocketRoute"}
    assert len(paths) > 20
    assert paths >= {"/metrics", "/docs", "/openapi.json", "/ui/streams", "/_stcore/metrics"}
    assert any(path.startswith("/_stcore/upload_file") for path in paths)
    assert len(PUBLIC) <= 5
    for path in sorted(paths | {"/", "/runs", "/static/x.js", "/unknown", "/v1/x", "/ui/x"}):
        for method in METHODS:
            status = up.ask(path, method, signed_in=False).status
            assert (status != 401) == (path in PUBLIC), (method, path, status)
            assert up.ask(path, method, cookie="promptstone_1=x").status == status


def test_with_a_session_the_same_routes_answer(up: Up, routes: list[tuple[str, str]]):
    """The control: it is the session that the test above misses, not the routes."""
    reached = [path for _, path in routes if up.ask(path).status not in (401, 403)]
    assert {"/metrics", "/docs", "/openapi.json", "/_stcore/host-config"} <= set(reached)


def test_a_page_sends_a_browser_to_the_sign_in_page(up: Up):
    page = up.ask("/runs?id=1", signed_in=False, accept="text/html,*/*")
    assert (page.status, page.headers["location"]) == (303, "/sign-in")
    shown = up.ask("/sign-in", signed_in=False)
    assert shown.status == 200
    assert b"user link admin" in shown.body
    assert not re.search(rb"(src|href)\s*=", shown.body)
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    api = up.ask("/v1/models", signed_in=False, accept="text/html")
    assert (api.status, api.headers["content-type"]) == (401, "application/json")


async def _hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    with contextlib.suppress(Exception):
        while True:
            await socket.send_text(await socket.receive_text())


_BARE = Starlette(
    routes=[
        Route("/new", _hello, methods=["GET", "POST"]),
        Route("/healthz", _hello),
        WebSocketRoute("/ws", _echo),
    ]
)


@contextmanager
def _listening(app: ASGIApp) -> Iterator[int]:
    """Serve `app` in a thread; its port."""
    config = uvicorn.Config(app, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def _guarded(database: Database) -> Guard:
    return Guard(_BARE, Sessions(database), host_rule("127.0.0.1", ()), "c", Live(database))


def _session(database: Database) -> str:
    with database.session_scope("t") as session:
        ensure_admin(session)
        token = make_link_token(session, "admin")
    with database.session_scope("t") as session:
        return redeem(session, token)


def test_a_route_added_without_a_thought_is_closed(sqlite_db: Database):
    with _listening(_BARE) as bare:
        assert ask(bare, "/new").status == 200  # the control
    cookie = _session(sqlite_db)
    with _listening(_guarded(sqlite_db)) as port:
        assert ask(port, "/new").status == 401
        assert ask(port, "/new/../new").status == 401
        assert ask(port, "//healthz").status == 401
        assert ask(port, "/healthz/").status == 401
        assert ask(port, "/new", headers={"cookie": f"a=b; c={cookie}"}).status == 200
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}/ws")
        assert refused.value.response.status_code == 401


@pytest.mark.parametrize("method", ["POST"])
def test_writes_with_a_cookie_come_from_our_own_pages(sqlite_db: Database, method: str):
    cookie = _session(sqlite_db)
    foreign = ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "x", ""]
    with _listening(_BARE) as bare:
        for origin in foreign:  # the control
            sent = {"cookie": f"c={cookie}", "origin": origin}
            assert ask(bare, "/new", method, headers=sent).status == 200
    with _listening(_guarded(sqlite_db)) as port:
        sent = {"cookie": f"c={cookie}"}
        for origin in foreign:
            assert ask(port, "/new", method, headers={**sent, "origin": origin}).status == 403
        own = f"http://127.0.0.1:{port}"
        assert ask(port, "/new", method, headers={**sent, "origin": own}).status == 200
        assert ask(port, "/new", method, headers=sent).status == 200
        site = {**sent, "sec-fetch-site": "same-site"}
        assert ask(port, "/new", method, headers=site).status == 403
        assert ask(port, "/new", "GET", headers={**sent, "origin": foreign[0]}).status == 200


def test_a_websocket_of_another_site_is_refused(sqlite_db: Database):
    cookie = {"cookie": f"c={_session(sqlite_db)}"}
    evil = "https://evil.example"
    with _listening(_BARE) as bare, connect(f"ws://127.0.0.1:{bare}/ws", origin=evil) as control:
        control.send("x")
    with _listening(_guarded(sqlite_db)) as port:
        url = f"ws://127.0.0.1:{port}/ws"
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
            with pytest.raises(InvalidStatus) as refused:
                connect(url, origin=origin, additional_headers=cookie)
            assert refused.value.response.status_code == 403
        with connect(url, origin=f"http://127.0.0.1:{port}", additional_headers=cookie) as mine:
            mine.send("x")
            assert mine.recv() == "x"


def test_the_workspace_websocket_is_guarded_too(up: Up):
    url = f"ws://{up.host}/_stcore/stream"
    cookie = {"cookie": up.cookie}
    for headers, origin, status in (
        ({}, f"http://{up.host}", 401),
        ({"cookie": "promptstone_1=x"}, f"http://{up.host}", 401),
        (cookie, "https://evil.example", 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect(url, origin=origin, additional_headers=headers, subprotocols=["streamlit"])
        assert refused.value.response.status_code == status
    own = f"http://{up.host}"
    with connect(url, origin=own, additional_headers=cookie, subprotocols=["streamlit"]) as mine:
        assert mine.subprotocol == "streamlit"


def test_an_upload_needs_the_xsrf_token(up: Up):
    path, own = "/_stcore/upload_file/session/file", f"http://{up.host}"
    refused = up.ask(path, "PUT", body=b"x", origin=own)
    assert refused.status == 403
    assert b"XSRF" in refused.body
    up.ask("/_stcore/host-config")
    token = base64.b64encode(b"t").decode()
    forged = up.ask(path, "PUT", body=b"x", origin=own, x_xsrftoken=token)
    assert forged.status == 403
    health = up.ask("/_stcore/health")
    xsrf = re.search(r"_streamlit_xsrf=([^;]+)", health.headers.get("set-cookie", ""))
    assert xsrf, health.headers
    control = up.ask(
        path, "PUT", body=b"x", origin=own, x_xsrftoken=xsrf[1],
        cookie=f"{up.cookie}; _streamlit_xsrf={xsrf[1]}",
    )  # fmt: skip
    assert control.status != 403 or b"XSRF" not in control.body


def test_a_disabled_person_is_out_at_once_and_open_tabs_soon(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guard, "_RECHECK_SECONDS", 0.2)
    cookie = {"cookie": f"c={_session(sqlite_db)}"}
    with _listening(_guarded(sqlite_db)) as port:
        with connect(f"ws://127.0.0.1:{port}/ws", additional_headers=cookie) as tab:
            time.sleep(1)
            tab.send("x")
            assert tab.recv(5) == "x"  # the control: it is not the time that ends it
            assert ask(port, "/new", headers=cookie).status == 200
            with sqlite_db.session_scope("t") as session:
                user = session.get(User, "admin")
                assert user
                user.disabled = True
                session.add(user)
            with pytest.raises(ConnectionClosed):
                tab.recv(5)
        time.sleep(1.1)
        assert ask(port, "/new", headers=cookie).status == 401
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{port}/ws", additional_headers=cookie)


HOSTS = [
    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "[::2]",
    "localhost/x", "localhost?x", "localhost#x", "localhost@evil.example", "a:b@localhost",
    "localhost:80:80", "localhost:", "", " ", "localhost\\", "0.0.0.0", "127.1", "2130706433",
    "LOCALHOST.EVIL", "xn--localhost", "localhost,evil.example", "[localhost]", "*", "::1",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_a_foreign_host_is_refused_even_with_a_session(up: Up, host: str):
    assert up.ask("/healthz", host=host).status == 400
    assert up.ask("/metrics", host=host).status == 400


def test_our_own_names_are_let_in(up: Up):
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "localhost.", up.host):
        assert up.ask("/metrics", host=host).status == 200, host


def test_names_that_the_administrator_adds_and_addresses_where_all_are_listened_on():
    rule = host_rule("0.0.0.0", ("stone.example", "Other.Example."))
    for host in ("stone.example:80", "other.example", "10.1.2.3:8501", "[2001:db8::1]"):
        assert is_host_allowed(rule, host), host
    for host in ("x.stone.example", "evil.example", "", None, "10.1.2.3.4"):
        assert not is_host_allowed(rule, host), host


def test_origins():
    assert is_same_origin("https://a.example", "a.example:443")
    assert is_same_origin("http://a.example:80", "A.example")
    assert not is_same_origin("http://a.example", "a.example:443")
    assert not is_same_origin("ftp://a.example", "a.example")
    assert not is_same_origin("http://[::1", "[::1")
    assert not is_same_origin("http://a.example", None)


def test_no_cookie_opens_what_a_session_opens(up: Up):
    """Statements, long values, half characters: the hash is looked up, the value never."""
    bases = ["' OR 1=1--", '" OR ""="', "admin'--", "1; DROP TABLE users", "%00", "\\", "x" * 6000,
             "../../x", "\xff\xfe", "null", "0", "true", "[]", "{}", "' UNION SELECT 'admin'"]  # fmt: skip
    chance = random.Random(3)
    times = 500 if DEEP else 60
    name = up.cookie.partition("=")[0]
    for number in range(times):
        base = bases[number % len(bases)]
        noise = "".join(chance.choice("'\"%;()-= x1") for _ in range(number % 17))
        value = (base + noise).replace(";", "%3b")
        assert up.ask("/metrics", cookie=f"{name}={value}").status == 401, value
    assert up.ask("/metrics").status == 200


def _raw(port: int, data: bytes) -> bytes:
    """What the server says to these bytes; an end of the connection counts as an answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := peer.recv(65536):
                said += chunk
        return said


def _malformed(host: bytes, cookie: bytes, chance: random.Random) -> Iterator[bytes]:
    end = b"\r\n\r\n"
    for target in (b"/", b"/v1/x", b"/_stcore/stream", b"/ui/streams?ids=x", b"/sign-in?token=x"):
        head = b" HTTP/1.1\r\nhost: " + host + b"\r\ncookie: " + cookie
        yield b"GET " + target + b" HTTP/1.1" + end
        yield b"GET " + target + b" HTTP/1.1\r\nhost: " + host + b"\r\nhost: evil.example" + end
        yield b"GET " + target + b" HTTP/1.1\r\nhost: a/b?c#d" + end
        yield b"GET http://evil.example" + target + head + end
        yield b"GET " + target + b"%ff%fe%00" + head + end
        yield b"GET " + target + b"\xff\xfe" + head + end
        yield b"GET " + target + b"%ed%a0%80" + head + end
        yield b"GET " + target + head + b"\r\nx: " + b"a" * 65536 + end
        yield b"GET " + target + head + b"\r\ncookie: " + bytes(range(128, 255)) + end
        yield b"POST " + target + head + b"\r\ncontent-length: 4\r\ntransfer-encoding: chunked"\
            + end + b"0\r\n\r\nGET /metrics HTTP/1.1" + end  # fmt: skip
        yield b"POST " + target + head + b"\r\ncontent-length: -1" + end
        yield b"POST " + target + head + b"\r\ncontent-length: 9999" + end + b"short"
        yield b"POST " + target + head + b"\r\ntransfer-encoding: chunked" + end + b"zz\r\n"
        yield b"BREW " + target + head + end
        yield b"GET " + target + head + b"\r\nupgrade: websocket\r\nconnection: upgrade" + end
        noise = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 300)))
        yield noise
        yield b"GET /" + noise + head + end
        yield b"GET " + target + head + b"\r\n" + noise + end


def test_malformed_requests_are_answered_below_500_and_in_time(up: Up):
    chance = random.Random(11)
    host, cookie = up.host.encode(), up.cookie.encode()
    for _ in range(12 if DEEP else 1):
        for data in _malformed(host, cookie, chance):
            began = time.monotonic()
            said = _raw(up.port, data)
            assert time.monotonic() - began < 5, data[:80]
            for status in re.findall(rb"^HTTP/1\.1 (\d+)", said):
                assert int(status) < 500, (data[:120], said[:300])
            assert b"Traceback" not in said
    assert up.ask("/healthz").status == 200


def test_a_stream_tells_nothing_of_others(up: Up):
    answer = up.ask("/ui/streams?ids=01ARZ3NDEKTSV4RRFFQ69G5FAV,x")
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.body.decode().splitlines() if line.startswith("data:")]
    found = [json.loads(line[5:]) for line in lines]
    assert [event["state"] for event in found] == ["unknown", "unknown"]
    assert up.ask("/ui/streams?ids=" + ",".join(map(str, range(100)))).status == 413
    assert up.ask("/ui/streams").status == 422


def test_errors_of_our_routes_have_one_shape_and_no_trace(sqlite_db: Database):
    from fastapi import FastAPI

    from app.server.errors import add_handlers
    from core import errors

    api = FastAPI()
    add_handlers(api)
    kinds = list(errors.STATUS)

    @api.get("/raise/{at}")
    async def fail(at: int) -> None:
        if at < len(kinds):
            raise kinds[at]("A sentence. A remedy.", param="p", code="c")
        raise RuntimeError("secret /home/path")

    with _listening(api) as port:
        for at, kind in enumerate(kinds):
            answer = ask(port, f"/raise/{at}")
            assert answer.status == errors.STATUS[kind].status
            assert json.loads(answer.body) == {
                "error": {
                    "message": "A sentence. A remedy.", "type": errors.STATUS[kind].type,
                    "param": "p", "code": "c",
                }
            }  # fmt: skip
        for path, status in ((f"/raise/{len(kinds)}", 500), ("/raise/x", 422), ("/none", 404)):
            answer = ask(port, path)
            assert answer.status == status
            assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}
            assert b"secret" not in answer.body


def test_every_foreseen_error_is_in_the_table():
    import pkgutil
    from importlib import import_module

    import connectors
    import core
    import evalsets
    import prompts
    from core.errors import PromptstoneError, http_status

    for package in (core, connectors, prompts, evalsets):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if module.name not in ("connectors.fetch_demo", "core.migrations"):
                import_module(module.name)
    waiting = [PromptstoneError]
    for kind in waiting:
        waiting += kind.__subclasses__()
    assert len(waiting) > 12
    generic = {PromptstoneError: 400}
    for kind in waiting:
        status, _ = http_status(kind.__new__(kind))
        assert 400 <= status < 600
        assert kind in generic or status != 400, f"{kind.__name__} inherits no entry of STATUS"


def test_heartbeats_keep_a_silent_stream_open():
    from app.server.streams import with_heartbeat
    from connectors.generate import Event

    async def slow():
        await asyncio.sleep(0.8)
        yield Event("delta", "g", "hello\n\nevent: end")

    async def collect() -> list[bytes]:
        return [line async for line in with_heartbeat(slow(), 0.1)]

    lines = asyncio.run(collect())
    assert lines[:2] == [b": still here\n\n"] * 2
    assert lines[-1].count(b"\n\n") == 1  # a text cannot begin an event of its own
    assert json.loads(lines[-1].split(b"data: ")[1])["text"] == "hello\n\nevent: end"
