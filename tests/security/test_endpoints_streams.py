"""SAFETY E7: clients that go away, do not read, and models that die in the midst leave nothing behind."""

import json
import os
import random
import re
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from app.server import protocol
from serving.models import Trace, TraceContent
from tests.support.apps_server import AppsServer, apps_server
from tests.support.depth import DEEP
from tests.support.endpoints import at_rest, is_refusal, sockets, tasks, until
from tests.support.witness import Witness

CLIENTS = 500 if DEEP else 45
AT_ONCE = 9
NO_GOODBYE = struct.pack("ii", 1, 0)
SLOTS = 5
STUCK = 2
_ODD = ("garbage", "html", "truncated", "deep", "utf8", "longline", "huge50mb", "badgzip", "bigheader", "redirect",
        "half", "hugeusage", "echokey")  # fmt: skip
_ODDER = ("empty", "nochoices", "many", "nan", "manyheaders", "badusage", "r404", "quota")
ODD = (*_ODD, *_ODDER) if DEEP else _ODD


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, upstream: Witness) -> Iterator[AppsServer]:
    """An app for each way in which a model takes its time or dies; their key has few streams."""
    with apps_server(tmp_path_factory.mktemp("streams") / "data") as server:
        for model in ("ok", "stall", "endless", "hang", "think-60000", "slow-60000", "cut", "rst", "r500",
                      "errorevent", "nodone", "drip-60"):  # fmt: skip
            server.model(model, upstream.base_url, model, timeout=120)
            server.app(model, model=model)
        for model in ODD:
            server.model(model, upstream.base_url, model, timeout=10)
            server.app(model, model=model)
        server.model("late", upstream.base_url, "hang", timeout=1)
        outputs = {"type": "object", "properties": {"a": {"type": "string"}}}
        server.app("held", model="slow-60000", content={"outputs": outputs})
        for first in ("cut", "rst", "r500", "late"):
            server.app(f"backed-{first}", model=first, fallbacks=("ok",))
        names = [app.name for app in server.live._view.apps.values()]
        server.key = server.new_key("all", *names, streams=SLOTS)
        yield server


class Client:
    """A socket that asks for an answer; it may leave at any moment."""

    def __init__(self, api: AppsServer, model: str, *, stream: bool, **headers: str) -> None:
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "a b c"}],
            "stream": stream,
        }
        raw = json.dumps(body).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket = socket.socket()
        if model == "endless":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", api.port))
        self.socket.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{api.port}\r\n"
            f"authorization: Bearer {api.key}\r\n{more}content-length: {len(raw)}\r\n\r\n".encode()
            + raw
        )

    def read(self, sign: bytes, most: int = 1 << 20) -> bytes:
        """What was said up to `sign`."""
        said = b""
        while sign not in said and len(said) < most and (chunk := self.socket.recv(65536)):
            said += chunk
        return said

    def leave(self, *, politely: bool) -> None:
        if not politely:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
        self.socket.close()


KINDS = (
    ("stall", True, b"then nothing"),
    ("endless", True, b"word"),
    ("hang", True, b""),
    ("think-60000", True, b""),
    ("slow-60000", True, b""),
    ("drip-60", True, b""),
    ("hang", False, b""),
    ("slow-60000", False, b""),
    ("held", True, b""),
)
assert len(KINDS) == AT_ONCE


def _in_flight(upstream: Witness) -> int:
    return upstream.counts().in_flight


def _rests_as(before: tuple[int, int]) -> None:
    """No task and no socket more than before, soon."""
    until(lambda: tasks() <= before[0], 5, "a task is left")
    until(lambda: sockets() <= before[1], 5, "a socket is left")


def _aborted(api: AppsServer) -> list[Trace]:
    with api.database.read_scope() as session:
        return list(session.exec(select(Trace).where(Trace.state == "aborted")))


def test_clients_that_go_away_end_the_call_at_the_model_and_leave_nothing(
    api: AppsServer, upstream: Witness
) -> None:
    chance = random.Random(5)
    assert api.chat("ok").status == 200
    before_that = len(_aborted(api))
    before = at_rest()
    longest, streamed, sent = 0.0, 0, 0
    while sent < CLIENTS:
        kinds = chance.sample(KINDS, AT_ONCE)
        asked = 0
        for held in (kinds[:SLOTS], kinds[SLOTS:]):
            upstream.reset()
            clients = [Client(api, model, stream=stream) for model, stream, _ in held]
            for client, (_, _, sign) in zip(clients, held, strict=True):
                if sign:
                    assert sign in client.read(sign)
            count = len(held)
            until(lambda n=count: upstream.counts().requests == n, 5, "a call did not arrive")
            assert _in_flight(upstream) == len(held), "the control: they all wait for the model"
            assert tasks() >= before[0] + len(held)
            assert sockets() >= before[1] + 2 * len(held)
            asked += len(held)
            for client in clients:
                client.leave(politely=chance.random() < 0.5)
            took = until(lambda: _in_flight(upstream) == 0, 2, "not cancelled in 2 s")
            longest = max(longest, took)
            until(lambda: tasks() <= before[0], 5, "a task is left")
        sent += asked
        streamed += sum(stream for _, stream, _ in kinds)
    assert streamed > 3 * SLOTS, "the control: a leaked slot would have refused a later stream"
    _rests_as(before)
    until(lambda: len(_aborted(api)) == before_that + sent, 5)
    assert api.chat("ok", stream=True).status == 200
    print(f"{sent} clients went away; a call at the model ended after {longest:.2f} s at most")


def test_clients_that_go_away_at_once_leave_nothing(api: AppsServer, upstream: Witness) -> None:
    """Before the body is whole, while limits are asked, just when the first word comes."""
    chance = random.Random(6)
    api.chat("ok")
    before = at_rest()
    for number in range(CLIENTS):
        client = Client(api, chance.choice(("ok", "endless", "nodone")), stream=bool(number % 3))
        time.sleep(chance.choice((0, 0, 0.001, 0.003, 0.01)))
        client.leave(politely=bool(number % 2))
    until(lambda: _in_flight(upstream) == 0, 2)
    _rests_as(before)
    streams = [Client(api, "stall", stream=True) for _ in range(SLOTS)]
    for client in streams:
        assert b"then nothing" in client.read(b"then nothing"), "all slots are free"
    refused = Client(api, "stall", stream=True)
    assert b" 429 " in refused.read(b"\r\n"), "the control: there are no more"
    for client in (*streams, refused):
        client.leave(politely=True)
    until(lambda: _in_flight(upstream) == 0, 2)


def test_an_aborted_call_leaves_a_trace_of_what_was_said(api: AppsServer) -> None:
    client = Client(api, "stall", stream=True)
    said = client.read(b"then nothing")
    client.leave(politely=True)
    request_id = json.loads(said.partition(b"data: ")[2].partition(b"\n")[0])["id"]
    trace = _recorded(api, request_id)
    assert (trace.status, trace.state, trace.error_kind) == (499, "aborted", "client_gone")
    assert trace.output_tokens == 2
    assert trace.ttft_ms is not None
    assert _content(api, request_id).output == "then nothing"


def _content(api: AppsServer, request_id: str) -> TraceContent:
    with api.database.read_scope() as session:
        content = session.get(TraceContent, request_id)
    assert content is not None
    return content


def _trace(api: AppsServer, request_id: str) -> Trace | None:
    with api.database.read_scope() as session:
        return session.exec(select(Trace).where(Trace.id == request_id)).first()


def _recorded(api: AppsServer, request_id: str, seconds: float = 5) -> Trace:
    until(lambda: _trace(api, request_id) is not None, seconds, "the call was not recorded")
    trace = _trace(api, request_id)
    assert trace is not None
    return trace


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _poured(api: AppsServer, seconds: float) -> int:
    """How much a client that reads is told meanwhile."""
    client = Client(api, "endless", stream=True)
    poured, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline and (chunk := client.socket.recv(1 << 18)):
        poured += len(chunk)
    client.leave(politely=True)
    return poured


def test_a_client_that_does_not_read_holds_little_memory_and_is_cut_off(
    api: AppsServer, upstream: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _poured(api, 2.0) > 12 << 20, "the control: so much could have piled up"
    until(lambda: _in_flight(upstream) == 0, 2)
    at_rest()
    monkeypatch.setattr(protocol, "_READER_SECONDS", 1.5)
    known = sockets()
    stuck = [Client(api, "endless", stream=True) for _ in range(STUCK)]
    heads = [client.socket.recv(900).decode("latin-1") for client in stuck]
    began = time.monotonic()
    until(lambda: _in_flight(upstream) == 0, 5)
    assert 1.2 < time.monotonic() - began < 4.5
    until(lambda: sockets() <= known + STUCK, 2)  # what is left are the clients' own
    for client in stuck:
        client.leave(politely=True)
    for head in heads:
        (request_id,) = re.findall(r"x-request-id: (\S+)", head)
        assert _recorded(api, request_id, 30).status == 499
        assert len(_content(api, request_id).output) < 8 << 20, "what the kernel took, no more"


def test_a_client_that_reads_slowly_is_not_cut_off(
    api: AppsServer, upstream: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the limit: it asks for progress, not for speed."""
    monkeypatch.setattr(protocol, "_READER_SECONDS", 0.4)
    client = Client(api, "endless", stream=True)
    for _ in range(20):
        assert client.socket.recv(1 << 17)
        time.sleep(0.1)
    assert _in_flight(upstream) == 1
    client.leave(politely=True)
    until(lambda: _in_flight(upstream) == 0, 2)


def test_an_answer_without_an_end_is_ended(api: AppsServer, upstream: Witness) -> None:
    """What is kept for an Idempotency-Key is bounded by it, too."""
    before = _memory()
    client = Client(api, "endless", stream=True, **{"idempotency-key": "endless"})
    client.socket.settimeout(60)
    said, tail = 0, b""
    while b"\r\n0\r\n\r\n" not in tail and (chunk := client.socket.recv(1 << 18)):
        said += len(chunk)
        tail = (tail + chunk)[-2000:]
    assert 14 << 20 <= said < 40 << 20
    assert b'"error"' in tail
    assert b"[DONE]" not in tail
    assert _memory() - before < 150 << 20
    client.leave(politely=True)
    assert _in_flight(upstream) == 0


@pytest.mark.parametrize("model", ["cut", "errorevent"])
@pytest.mark.parametrize("path", ["chat", "invoke"])
def test_a_model_that_dies_in_the_midst_is_an_error_event(
    api: AppsServer, model: str, path: str
) -> None:
    turns = {"messages": [{"role": "user", "content": "x"}], "stream": True}
    if path == "chat":
        answer = api.call("/v1/chat/completions", {"model": model, **turns})
    else:
        answer = api.call(f"/apps/{model}/invoke", turns)
    if model == "errorevent" and answer.status == 503:
        return  # its first word and its error came in one piece: another model could be asked
    assert answer.status == 200
    events = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    last = json.loads(events[-1])
    assert set(last) == {"error"}
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["type"] == "server_error"
    assert b"[DONE]" not in answer.body
    assert b"invoke.result" not in answer.body
    assert b"127.0.0.1" not in answer.body
    request_id = answer.headers["x-request-id"]
    trace = _recorded(api, request_id)
    assert (trace.status, trace.state) == (503, "failed")
    assert trace.preview in ("half of", "so far so")


@pytest.mark.parametrize("stream", [False, True])
def test_whatever_a_model_answers_a_client_gets_an_answer_or_an_error(
    api: AppsServer, stream: bool
) -> None:
    statuses = set[int]()
    for model in ODD:
        answer = api.chat(model, "x", stream=stream)
        statuses.add(answer.status)
        if answer.status == 200:
            assert not stream or answer.body.endswith(b"data: [DONE]\n\n"), model
        else:
            assert answer.status == 503, model
            assert is_refusal(answer.headers, answer.body), model
            assert answer.error["code"].startswith("upstream_")
        assert b"127.0.0.1" not in answer.body
    assert statuses == {200, 503}


def test_a_stream_whose_end_is_not_said_is_whole_where_its_reason_was(api: AppsServer) -> None:
    """The control: not every odd end is an error."""
    answer = api.chat("nodone", stream=True)
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_another_model_is_asked_before_the_first_word_and_never_after(
    api: AppsServer, upstream: Witness
) -> None:
    for first in ("rst", "r500", "late"):
        upstream.reset()
        answer = api.chat(f"backed-{first}", "x y", stream=True)
        assert answer.body.endswith(b"data: [DONE]\n\n"), (first, answer.body)
        assert upstream.counts("ok").requests == 1
        assert _in_flight(upstream) == 0, "the first model is not left waiting"
    upstream.reset()
    answer = api.chat("backed-cut", "x y", stream=True)
    assert b"half of" in answer.body
    assert b"[DONE]" not in answer.body
    assert upstream.counts("ok").requests == 0
