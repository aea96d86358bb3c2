"""SAFETY E2 and E6: whatever comes to the routes of apps is answered in our shape, below 500, soon."""

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from app.server import protocol
from serving.http import body as reading
from tests.security.test_hostile_texts import HOSTILE
from tests.support.apps_server import AppsServer, apps_server
from tests.support.depth import DEEP
from tests.support.endpoints import answers, is_refusal, raw
from tests.support.hostile_texts import hostile_texts
from tests.support.serving import ask
from tests.support.witness import Witness

CASES = 1250 if DEEP else 50
RAW = 500 if DEEP else 80
SLOW = 200 if DEEP else 40
SLACK = 1 if DEEP else 2
"""The plain run shares its cores with the tests beside it."""
OPERATIONS = (
    ("/v1/chat/completions", "POST"),
    ("/apps/{app}/invoke", "POST"),
    ("/v1/feedback", "POST"),
    ("/v1/models/{model}", "GET"),
)
_KEPT = ("/apps/{app}/invoke", "/v1/feedback")
NAUGHTY = [
    *(text[:3000] for text in (*HOSTILE, *hostile_texts(DEEP))),
    "undefined", "null", "NaN", "-0", "1e5000", "0x1F", "1/0", "-9223372036854775809", "1,000.00",
    "00012", "٣", "½", "Ω≈ç√∫˜µ≤≥÷", "田中さんにあげて", "ﷺ", "😍", "👾 🙇 💁", "‪‪test‪", "⁦test⁧",
    "Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗͕v̟̜̘̦͟o̶̙̰̠kè͚̮̺̪̹̱̤", "˙ɐnbᴉlɐ", "\u200b\ufeff", "\x7f", "\x85\xa0", "'; DROP TABLE apps; --",
    "${jndi:ldap://x}", "$(touch /tmp/x)", "`id`", "%d%x%s%n", "../../../../etc/passwd", "\\\\host\\c",
    "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>", "{0}{1.__class__}",
    "() { :; }; echo x", "If you're reading this", "Scunthorpe", "CON", "AUX", "data: [DONE]\n\n",
]  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream: Witness
) -> Iterator[AppsServer]:
    """An app that keeps chats and one of variables; each engine refuses other values."""
    made = request.getfixturevalue("new_postgres_url") if request.param == "postgresql" else None
    url = None if made is None else made()
    with apps_server(tmp_path_factory.mktemp("odd") / "data", url) as server:
        server.model("ok", upstream.base_url, "ok")
        server.app("chat", model="ok", history="server")
        server.app("sum", "Sum up {{ text }} in {{ words }}.", "user", model="ok")
        server.key = server.new_key("all", "chat", "sum")
        yield server


def _checked(status: int, headers: dict[str, str], body: bytes, what: object) -> None:
    named = {name.lower(): value for name, value in headers.items()}
    assert 100 <= status < 500, (what, status, body[:300])
    assert "html" not in named.get("content-type", ""), what
    assert named.get("x-request-id"), (what, status, headers)
    assert b"Traceback" not in body
    assert status < 400 or is_refusal(headers, body), (what, status, headers, body[:300])


def _aimed(case: Any, chance: random.Random) -> bool:
    """Let a case reach an app, where what it says of the app is well-formed; whether it did."""
    if chance.random() < 0.3:
        return False
    app = chance.choice(("chat", "sum", "chat@production", "sum@1"))
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        case.body["model"] = app
        return True
    if isinstance((case.path_parameters or {}).get("app"), str):
        case.path_parameters["app"] = app
        return True
    return False


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_our_own_description_generates(
    api: AppsServer, path: str, method: str, mode: GenerationMode
) -> None:
    if method == "GET" and mode is GenerationMode.NEGATIVE:
        pytest.skip("every text is a valid name")
    if not (DEEP or api.database.is_sqlite or (path in _KEPT and mode is GenerationMode.POSITIVE)):
        pytest.skip("what is refused reaches no database")
    schema = schemathesis.openapi.from_dict(api.call("/openapi.json", method="GET").json)
    chance, seen = random.Random(17), dict[int, int]()
    headers = {"Authorization": f"Bearer {api.key}"}

    @settings(
        max_examples=CASES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        aimed = _aimed(case, chance)
        began = time.monotonic()
        answer = case.call(base_url=f"http://127.0.0.1:{api.port}", headers=headers)
        assert time.monotonic() - began < 5
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        flat = {name: values[0] for name, values in answer.headers.items()}
        _checked(answer.status_code, flat, answer.content, case.as_curl_command())
        told = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
                checks.response_schema_conformance]  # fmt: skip
        if not aimed and answer.status_code != 413:  # a size is no matter of the schema
            told.append(checks.negative_data_rejection)
        case.validate_response(answer, checks=told)

    asked()
    assert seen, "the control: cases were sent"
    if mode is GenerationMode.NEGATIVE:
        assert seen[422] > CASES // 3
    elif path.startswith(("/v1/chat", "/apps")):
        assert seen.get(200, 0) > CASES // 10, (seen, "the control: some reach the model")


def test_the_checks_see_a_500_html_and_a_trace() -> None:
    """The control of what is looked for."""
    good = {"content-type": "application/json", "x-request-id": "1"}
    error = {"message": "No. Do.", "type": "t", "param": None, "code": None}
    _checked(404, good, json.dumps({"error": error}).encode(), "")
    for status, headers, body in (
        (500, good, json.dumps({"error": error}).encode()),
        (404, good, b"Not found"),
        (404, {**good, "content-type": "text/html"}, json.dumps({"error": error}).encode()),
        (404, {"content-type": "application/json"}, json.dumps({"error": error}).encode()),
        (200, good, b"Traceback (most recent call last)"),
        (404, good, json.dumps({"error": {**error, "message": 'File "/x.py".'}}).encode()),
    ):
        with pytest.raises(AssertionError):
            _checked(status, headers, body, "")


LENGTHS = (b"4", b"0", b"9" * 30, b"-1", b"+5", b"5, 6", b"0x10", b"", b"5\r\ncontent-length: 6")
CODINGS = (b"chunked, chunked", b"gzip, chunked", b"identity", b"chunked\x00", b"x" * 999)
CHUNKS = (b"zz\r\n{}\r\n", b"-1\r\n", b"f" * 18 + b"\r\n{}", b"2\r\n{}x", b"2;a=" + b"b" * 9000)
METHODS = (b"TRACE", b"CONNECT", b"BREW", b"post", b"PRI", b"OPTIONS", b"DELETE", b"P\x00ST", b"")


class Raw:
    """Requests as bytes that no client library would send; each asks for the connection's end."""

    def __init__(self, port: int, key: str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.host = f"127.0.0.1:{port}".encode()
        self.key = key.encode()

    def head(self, method: bytes, target: bytes, *more: bytes, host: bytes | None = None) -> bytes:
        lines = [b"host: " + (self.host if host is None else host), b"authorization: Bearer " + self.key,
                 b"connection: close", *more]  # fmt: skip
        return method + b" " + target + b" HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"

    def post(self, target: bytes, body: bytes, *lines: bytes) -> bytes:
        return self.head(b"POST", target, b"content-length: %d" % len(body), *lines) + body

    def all(self) -> Iterator[bytes]:
        """Every kind once for a target, then the next target."""
        targets = [b"/v1/chat/completions", b"/apps/chat/invoke", b"/v1/feedback", b"/v1/models",
                   b"/apps/sum@1/invoke", b"/v1/models/chat"]  # fmt: skip
        while True:
            for target in targets:
                kinds = [*self.heads(target), *self.bodies(target), *self.targets(target)]
                self.chance.shuffle(kinds)
                yield from kinds[: RAW // len(targets) + 1]

    def heads(self, target: bytes) -> Iterator[bytes]:
        for host in (b"a/b?c#d", b"evil.example", b"", b"127.0.0.1@evil", b"\xff\xfe", b"x" * 9000,
                     b"localhost/v1", b"[::1", b"127.0.0.1:99999999"):  # fmt: skip
            yield self.head(b"GET", target, host=host)
        yield self.head(b"GET", target, b"host: evil.example")
        yield b"GET " + target + b" HTTP/1.1\r\nconnection: close\r\n\r\n"
        smuggled = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: " + self.host + b"\r\n\r\n"
        for length in LENGTHS:
            size = b"content-length: " + length
            yield self.head(b"POST", target, size, b"transfer-encoding: chunked") + smuggled
            yield self.head(b"POST", target, size) + b"{}"
        for coding in CODINGS:
            yield self.head(b"POST", target, b"transfer-encoding: " + coding) + smuggled
        for chunk in CHUNKS:
            yield self.head(b"POST", target, b"transfer-encoding: chunked") + chunk
        yield self.head(b"POST", target, b"x: " + b"a" * 65_536)
        yield self.head(b"POST", target, *(b"x%d: y" % n for n in range(5000)))
        for line in (b"no colon", b"x : y", b": y", b"x: \x00", b"x: \x01\x02", b"x: \r\n folded", b"\xff\xff: x",
                     b"expect: 100-continue", b"expect: cake", b"upgrade: websocket\r\nconnection: upgrade",
                     b"upgrade: h2c\r\nconnection: upgrade, http2-settings", b"content-encoding: gzip",
                     b"content-type: multipart/form-data; boundary=b", b"content-type: \xff",
                     b"idempotency-key: \x7f\xff", b"idempotency-key: " + b"k" * 256, b"idempotency-key:",
                     b"authorization: Basic eDp5", b"authorization: Bearer x", b"x-request-id: <b>"):  # fmt: skip
            yield self.post(target, b'{"messages": []}', line)
        for method in METHODS:
            yield self.head(method, target)
        yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60)
        yield b"GET " + target + b"\r\n\r\n"
        yield self.head(b"POST", target).replace(b"HTTP/1.1", b"HTTP/9.9")
        yield self.head(b"POST", target).replace(b"\r\n", b"\n")
        yield self.chance.randbytes(self.chance.randrange(1, 400))

    def targets(self, target: bytes) -> Iterator[bytes]:
        for odd in (b"%ff%fe", b"%ed%a0%80", b"%00", b"\xff\xfe", b"%", b"%zz", b"/../../etc", b"//", b"?" * 9, b"#x",
                    b"@", b"@@", b"@-1", b"@99999999999999999999", b"@%0d%0ax: y", b"x" * 60_000, b"@" + b"9" * 5000):  # fmt: skip
            yield self.head(b"GET", target + odd)
            yield self.post(b"/apps/chat" + odd + b"/invoke", b'{"messages": []}')
        yield self.head(b"GET", b"http://evil.example" + target)
        yield self.head(b"GET", b"*")
        yield self.head(b"GET", target + b" HTTP/1.1\r\nx: ")

    def bodies(self, target: bytes) -> Iterator[bytes]:
        asked = b'{"model": "chat", "messages": [{"role": "user", "content": %s}]}'
        good = asked % b'"hi"'
        for text in (b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\u0000"', b'"\x00"', b"1e999",
                     b"-0", b"9" * 5000, b"1e-999", b"NaN", b"Infinity", b"[" * 5000, b'{"a":' * 3000, b"[[]]",
                     b'"' + b"x" * 300_000 + b'"', b"true", b'["a", {"type": "text", "text": 5}]'):  # fmt: skip
            yield self.post(target, asked % text)
        for whole in (b"", b" ", b"\xef\xbb\xbf" + good, good.decode().encode("utf-16"), good + b"x", good[:-1],
                      b"/* x */" + good, b" " * 1_000_000, b"\x00", b"null", b"0", b'"x"', b"[]" * 9,
                      b'{"model": "chat", "model": "none", "messages": []}', b'{"": 1}', b'{"\\u0000": 1}',
                      b'{"model": "chat", "messages": ' + b"[" * 900 + b"]" * 900 + b"}",
                      b'{"model": "chat", "messages": [' + b"0," * 100_000 + b"0]}",
                      b'{"model": "chat", "messages": [], "inputs": ' + b'{"a":' * 100 + b"1" + b"}" * 101,
                      b'{"model": "sum", "messages": [], "inputs": {"text": 1e308, "words": 1e309}}',
                      b'{"model": "sum", "messages": [], "inputs": {"text": ' + b"9" * 400 + b', "words": {}}}',
                      b'{"request_id": "\\u0000", "rating": "good"}', b'{"request_id": "x", "comment": "\\u0000"}'):  # fmt: skip
            yield self.post(target, whole)
        yield self.head(b"POST", target, b"content-length: 99999") + good
        yield self.head(b"POST", target, b"content-length: 2000000") + b"x" * 2_000_000
        for naughty in self.chance.sample(NAUGHTY, 12):
            for body in self.naughty(naughty):
                yield self.post(target, body)

    def naughty(self, text: str) -> Iterator[bytes]:
        turns = [{"role": "user", "content": text, "name": text}]
        whole: dict[str, Any] = {"messages": turns, "user": text[:256]}
        for body in (
            {"model": "chat", **whole},
            whole,
            {"model": text, **whole},
            {"model": "chat", **whole, "conversation": text},
            {
                "model": "sum",
                "messages": [],
                "inputs": {"text": text, "words": [text, {text: text}]},
            },
            {"inputs": {"text": text, text: text}},
            {"request_id": text[:64], "rating": "bad", "comment": text, "reasons": [text[:200]]},
        ):
            yield json.dumps(body).encode("utf-8", "surrogatepass")


def test_raw_requests_are_answered_in_our_shape_and_in_time(api: AppsServer) -> None:
    made = Raw(api.port, api.key, 29)
    seen = dict[int, int]()
    times = RAW if DEEP or api.database.is_sqlite else RAW // 2
    for _, data in zip(range(times), made.all(), strict=False):
        began = time.monotonic()
        said = raw(api.port, data)
        took = time.monotonic() - began
        assert took < 5, (took, data[:200])
        for status, headers, body in answers(said):
            seen[status] = seen.get(status, 0) + 1
            _checked(status, headers, body, data[:300])
    assert {200, 400, 404, 422} <= seen.keys(), (seen, "the control: they got to all kinds of ends")
    assert api.chat("chat").status == 200


def test_odd_texts_reach_the_model_as_they_are_or_are_refused(
    api: AppsServer, upstream: Witness
) -> None:
    kept = 0
    for text in NAUGHTY if DEEP else NAUGHTY[::3]:
        said = json.dumps({"inputs": {"text": text, "words": 1}}).encode("utf-8", "surrogatepass")
        answer = api.call("/apps/sum/invoke", said)
        _checked(answer.status, dict(answer.headers), answer.body, text)
        if answer.status == 200:
            assert answer.json["output"] == f"echo: Sum up {text} in 1."
            told = {"request_id": answer.json["request_id"], "rating": "bad", "comment": text[:999]}
            rated = api.call("/v1/feedback", told)
            _checked(rated.status, dict(rated.headers), rated.body, text)
            kept += rated.status == 200
    assert kept > 10


class Drip:
    """A client that sends a byte now and then; `said` is what it was told."""

    def __init__(self, port: int, head: bytes, drop: bytes) -> None:
        self.peer = socket.create_connection(("127.0.0.1", port))
        self.peer.sendall(head)
        self.peer.setblocking(False)
        self.drop = drop
        self.said = b""

    def lives(self) -> bool:
        try:
            self.peer.send(self.drop)
            while chunk := self.peer.recv(4096):
                self.said += chunk
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


SLOW_HEADS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "a body": lambda host, key: b"POST /apps/chat/invoke HTTP/1.1\r\nhost: " + host
    + b"\r\nauthorization: Bearer " + key + b"\r\ncontent-length: 900000\r\n\r\n{",
    "feedback": lambda host, key: b"POST /v1/feedback HTTP/1.1\r\nhost: " + host
    + b"\r\nauthorization: Bearer " + key + b"\r\ncontent-length: 900000\r\n\r\n{",
    "a head": lambda host, key: b"POST /apps/chat/invoke HTTP/1.1\r\nhost: " + host + b"\r\nx: ",
    "nothing": lambda host, key: b"",
    "a body behind its answer": lambda host, key: b"POST /v1/feedback HTTP/1.1\r\nhost: " + host
    + b"\r\ncontent-length: 900000\r\n\r\n{",
}  # fmt: skip


@pytest.mark.parametrize("what", SLOW_HEADS)
def test_slow_senders_are_cut_off_and_hold_up_nobody(
    api: AppsServer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if not api.database.is_sqlite:
        pytest.skip("no database is asked")
    head = SLOW_HEADS[what](f"127.0.0.1:{api.port}".encode(), api.key.encode())
    drop = b"x" if head else b""
    patient = [Drip(api.port, head, drop) for _ in range(3)]
    time.sleep(0.1)
    monkeypatch.setattr(protocol, "_SENDER_SECONDS", 0.8)
    monkeypatch.setattr(reading, "_SLOWEST", 0.8)
    hasty = [Drip(api.port, head, drop) for _ in range(SLOW // len(SLOW_HEADS) + 1)]
    waits: list[float] = []
    began = time.monotonic()
    while sum(one.lives() for one in hasty) and time.monotonic() - began < 6:
        look = time.monotonic()
        assert ask(api.port, "/healthz").status == 200
        waits.append(time.monotonic() - look)
        time.sleep(0.05)
    assert 0.5 < time.monotonic() - began < 4, what
    assert sorted(waits)[int(len(waits) * 0.99)] < 0.5 * SLACK
    assert {one[0] for peer in hasty for one in answers(peer.said)} <= {401, 422}
    assert all(one.lives() for one in patient), "the control: with the usual limit it goes on"
    for one in (*hasty, *patient):
        one.peer.close()


def test_a_body_beyond_a_megabyte_is_refused_before_it_is_read(api: AppsServer) -> None:
    for path in (b"/v1/chat/completions", b"/apps/chat/invoke", b"/v1/feedback"):
        made = Raw(api.port, api.key, 1)
        told = made.head(b"POST", path, b"content-length: 1048577")
        assert [one[0] for one in answers(raw(api.port, told))] == [413]
        grows = made.head(b"POST", path, b"transfer-encoding: chunked")
        grows += (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 17
        assert [one[0] for one in answers(raw(api.port, grows))] == [413]
        fits = made.post(path, b" " * 1_000_000 + b"{}")
        assert answers(raw(api.port, fits))[0][0] in (200, 422), "the control"
