"""SAFETY E3, E5, E8: keys, limits and Idempotency-Keys over HTTP, on two server processes at once."""

import asyncio
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import inspect, text
from sqlmodel import select

from app.opening import open_database
from core.settings import Settings
from serving.keys import revoke_key
from serving.models import Trace
from tests.support.apps import ACTOR
from tests.support.apps_server import Answered, AppsServer, beside
from tests.support.depth import DEEP
from tests.support.endpoints import is_refusal, until
from tests.support.serving import Up, start
from tests.support.witness import Witness

MINUTE = 60
SLACK = 1 if DEEP else 3
"""The plain run shares its cores with the tests beside it."""


@dataclass
class Pair:
    """Two server processes on one database, with the handle of each."""

    first: AppsServer
    second: AppsServer
    logs: list[Path]
    keys: list[str]
    said: list[bytes]

    @property
    def both(self) -> tuple[AppsServer, AppsServer]:
        return self.first, self.second

    def new_key(self, name: str, *apps: str, **limits: Any) -> str:
        """A key that both processes know by now."""
        key = self.first.new_key(name, *apps, **limits)
        self.keys.append(key)
        for one in self.both:
            until(lambda api=one: _status(api, key) == 200, 3, "a new key is not known")
        return key

    def note(self, answer: Answered) -> Answered:
        self.said += [answer.body, str(answer.headers).encode()]
        return answer


def _status(api: AppsServer, key: str) -> int:
    return api.call("/v1/models", key=key, method="GET").status


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, upstream: Witness, new_postgres_url: Callable[[], str]
) -> Iterator[Pair]:
    """`promptstone up --role api`, twice."""
    folder, url = tmp_path_factory.mktemp("limits"), new_postgres_url()
    database = open_database(Settings(data_dir=folder / "data", database_url=url))
    logs = [folder / "one.log", folder / "two.log"]

    def served(log: Path) -> Up:
        redirected = ["sh", "-c", f'exec "$@" 2>{log}', "sh"]
        return start(folder / "data", "--role", "api", prefix=redirected,
                     PROMPTSTONE_DATABASE_URL=url, PROMPTSTONE_DEBUG="1")  # fmt: skip

    with ExitStack() as stack:
        with ThreadPoolExecutor(2) as pool:
            ups = list(pool.map(served, logs))
        for up in ups:
            stack.callback(up.process.wait, 20)
            stack.callback(up.process.terminate)
        first, second = (beside(up.port, database) for up in ups)
        for model in ("ok", "stall", "slow-400", "slow-150", "r500"):
            first.model(model, upstream.base_url, model, input_price="1", output_price="2")
            first.app(model, model=model)
        first.model("unpriced", upstream.base_url, "ok")
        first.app("unpriced", model="unpriced")
        made = Pair(first, second, logs, [], [])
        names = ("ok", "stall", "slow-400", "slow-150", "r500", "unpriced")
        first.key = second.key = made.new_key("all", *names)
        yield made
        database.close()


def _calm(seconds: float) -> None:
    """Windows are minutes of the clock: begin where the next one is far enough."""
    left = MINUTE - time.time() % MINUTE
    if left < seconds:
        time.sleep(left + 0.1)


@dataclass(frozen=True)
class Told:
    """What one of many at once was told, and after how long."""

    answered: Answered
    seconds: float


def _at_once(pair: Pair, count: int, model: str, key: str, **headers: str) -> list[Told]:
    """`count` calls of which each process gets every other one."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    sent = {"authorization": f"Bearer {key}", **headers}

    async def one(session: aiohttp.ClientSession, number: int) -> Told:
        port, began = pair.both[number % 2].port, time.monotonic()
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        async with session.post(url, json=body, headers=sent) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            told = Answered(answer.status, headers, await answer.read())
        return Told(pair.note(told), time.monotonic() - began)

    async def all_of_them() -> list[Told]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            return await asyncio.gather(*(one(session, number) for number in range(count)))

    return asyncio.run(all_of_them())


def test_of_200_at_once_exactly_50_reach_the_model(pair: Pair, upstream: Witness) -> None:
    key = pair.new_key("rpm", "slow-150", rpm=50)
    _calm(10)
    upstream.reset()
    found = _at_once(pair, 200, "slow-150", key)
    assert Counter(one.answered.status for one in found) == {200: 50, 429: 150}
    assert upstream.counts().requests == 50
    for told in found:
        headers = told.answered.headers
        assert headers["x-ratelimit-limit-requests"] == "50"
        assert 0 <= int(headers["x-ratelimit-remaining-requests"]) < 50
        assert 1 <= int(headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
        if told.answered.status == 429:
            assert is_refusal(headers, told.answered.body)
            assert told.answered.error["type"] == "rate_limit_error"
            assert 1 <= int(headers["retry-after"]) <= 60
    assert max(one.seconds for one in found if one.answered.status == 429) < 1 * SLACK


def test_without_a_limit_all_of_them_do(pair: Pair, upstream: Witness) -> None:
    """The control."""
    upstream.reset()
    found = _at_once(pair, 200, "ok", pair.first.key)
    assert Counter(one.answered.status for one in found) == {200: 200}
    assert upstream.counts().requests == 200
    assert not any("x-ratelimit-limit-requests" in one.answered.headers for one in found)


def _open_stream(api: AppsServer, key: str) -> tuple[int, socket.socket]:
    body = {"model": "stall", "messages": [{"role": "user", "content": "x"}], "stream": True}
    raw = json.dumps(body)
    peer = socket.create_connection(("127.0.0.1", api.port), timeout=10)
    peer.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-length: {len(raw)}\r\n\r\n{raw}".encode()
    )
    said = b""
    while b"then nothing" not in said and b'"error"' not in said:
        said += peer.recv(65536)
    return int(said.split()[1]), peer


def test_streams_at_once_are_counted_over_both(pair: Pair, upstream: Witness) -> None:
    key = pair.new_key("streams", "stall", "ok", streams=3)
    opened = [_open_stream(pair.both[number % 2], key) for number in range(3)]
    assert [status for status, _ in opened] == [200] * 3
    for api in pair.both:
        status, peer = _open_stream(api, key)
        assert status == 429
        peer.close()
    assert pair.second.call(
        "/v1/chat/completions", {"model": "ok", "messages": [{"role": "user", "content": "x"}]}, key=key
    ).status == 200, "what does not stream is no stream"  # fmt: skip
    opened[1][1].close()
    until(lambda: upstream.counts("stall").in_flight == 2, 2)

    def again() -> bool:
        status, peer = _open_stream(pair.second, key)
        opened.append((status, peer))
        return status == 200

    until(again, 3, "a stream that ended is not free again")
    for _, peer in opened:
        peer.close()
    until(lambda: upstream.counts("stall").in_flight == 0, 2)


def test_a_day_costs_no_more_than_its_budget(pair: Pair) -> None:
    budget = Decimal("0.0006")
    key = pair.new_key("budget", "ok", "unpriced", budget_day=budget)
    told: Answered | None = None
    spent = 0
    for number in range(400):
        api = pair.both[number % 2]
        told = api.call("/v1/chat/completions", {"model": "ok", "messages": [
            {"role": "user", "content": "word " * 20}]}, key=key)  # fmt: skip
        spent += told.status == 200
        if told.status == 429:
            break
    assert told is not None
    assert told.status == 429
    assert spent >= 1, "the control: there was some"
    assert told.error["type"] == told.error["code"] == "insufficient_quota"
    assert int(told.headers["retry-after"]) >= 1
    assert is_refusal(told.headers, told.body)
    found = _at_once(pair, 20, "ok", key)
    assert {one.answered.status for one in found} <= {200, 429}
    spent += sum(one.answered.status == 200 for one in found)
    until(lambda: len(_costs(pair, key)) == spent, 5)
    assert sum(_costs(pair, key), Decimal(0)) <= budget
    unpriced = pair.first.call("/apps/unpriced/invoke", {"messages": []}, key=key)
    assert unpriced.status == 422
    assert "price" in unpriced.error["message"]


def _costs(pair: Pair, key: str) -> list[Decimal]:
    from serving.keys import load_keys, token_hash

    with pair.first.database.read_scope() as session:
        key_id = load_keys(session)[token_hash(key)].id
        found = session.exec(select(Trace.cost).where(Trace.key_id == key_id, Trace.status == 200))
        return [cost for cost in found if cost is not None]


def test_tokens_a_minute(pair: Pair) -> None:
    key = pair.new_key("tpm", "ok", tpm=700)
    _calm(5)
    first = pair.first.call(
        "/apps/ok/invoke", {"messages": [{"role": "user", "content": "x"}]}, key=key
    )
    assert first.status == 200
    assert first.headers["x-ratelimit-limit-tokens"] == "700"
    long = {"messages": [{"role": "user", "content": "x" * 3000}]}
    refused = pair.first.call("/apps/ok/invoke", long, key=key)
    assert refused.status == 429
    assert "Send a shorter one" in refused.error["message"]
    found = _at_once(pair, 10, "ok", key)
    assert {one.answered.status for one in found} == {200, 429}


def test_a_revoked_key_is_refused_by_both_within_a_second(pair: Pair) -> None:
    for number in range(10 if DEEP else 2):
        key = pair.new_key(f"gone-{number}", "ok")
        stays = pair.new_key(f"stays-{number}", "ok")
        with pair.first.database.session_scope(ACTOR) as session:
            assert revoke_key(session, f"gone-{number}")
        began = time.monotonic()
        for api in pair.both:
            until(lambda one=api, k=key: _status(one, k) == 401, 1, "it is still good")
        assert time.monotonic() - began < 1
        assert [_status(api, stays) for api in pair.both] == [200, 200], "the control"


STATEMENTS = ("' OR 1=1--", '" OR ""="', "admin'--", "1; DROP TABLE api_keys", "') OR ('1'='1", "%00", "\\", "null",
              "' UNION SELECT hash FROM api_keys--", "ps_' OR hash LIKE '%", "x' AND pg_sleep(9)--", "../../x",
              "Bearer", "", " ", "true", "[]", "{}", "\xff\xfe", "ps_", "0x00", "$1", ":key", "?", "x" * 6000)  # fmt: skip


def test_no_statement_opens_what_a_key_opens(pair: Pair) -> None:
    chance = random.Random(8)
    for number in range(500 if DEEP else 60):
        noise = "".join(chance.choice("'\"%;()-= x1_") for _ in range(number % 17))
        value = STATEMENTS[number % len(STATEMENTS)] + noise
        scheme = chance.choice(("Bearer ", "bearer ", "", "Basic ", "Bearer  "))
        began = time.monotonic()
        answer = pair.both[number % 2].call(
            "/v1/models", method="GET", headers={"authorization": scheme + value}
        )
        assert answer.status == 401, value
        assert is_refusal(answer.headers, answer.body)
        assert answer.error["code"] == "invalid_api_key"
        assert time.monotonic() - began < 5
    good = pair.first.key
    for header in (f"Bearer {good}", f"bearer {good}", f"Bearer  {good} "):
        headers = {"authorization": header}
        assert pair.first.call("/v1/models", method="GET", headers=headers).status == 200
    for near in (good[:-1], good + "A", good.swapcase(), good.removeprefix("ps_"), good[:8]):
        assert _status(pair.first, near) == 401


def _chat(api: AppsServer, model: str, token: str, **fields: Any) -> Answered:
    body = {"model": model, "messages": [{"role": "user", "content": "a b"}], **fields}
    return api.call("/v1/chat/completions", body, headers={"idempotency-key": token})


def test_the_same_idempotency_key_20_times_at_once_is_one_call(
    pair: Pair, upstream: Witness
) -> None:
    upstream.reset()
    found = _at_once(pair, 20, "slow-400", pair.first.key, **{"idempotency-key": "at-once"})
    statuses = Counter(one.answered.status for one in found)
    assert statuses[200] >= 1
    assert statuses[200] + statuses[409] == 20
    assert upstream.counts().requests == 1
    made = {one.answered.body for one in found if one.answered.status == 200}
    assert len(made) == 1
    for one in found:
        if one.answered.status == 409:
            assert one.answered.error["code"] == "idempotency_running"
    body = {"model": "slow-400", "messages": [{"role": "user", "content": "hi"}]}
    raw = json.dumps(body).encode()
    for api in pair.both:
        again = api.call("/v1/chat/completions", raw, headers={"idempotency-key": "at-once"})
        assert again.body in made
        assert again.headers["idempotent-replayed"] == "true"
    assert upstream.counts().requests == 1
    other = api.call(
        "/v1/chat/completions", {**body, "user": "u"}, headers={"idempotency-key": "at-once"}
    )
    assert (other.status, other.error["param"]) == (422, "Idempotency-Key")
    other = api.call("/apps/slow-400/invoke", raw, headers={"idempotency-key": "at-once"})
    assert other.status == 422
    assert upstream.counts().requests == 1
    without = _at_once(pair, 20, "slow-400", pair.first.key)
    assert {one.answered.status for one in without} == {200}
    assert upstream.counts().requests == 21, "the control"


def test_a_client_that_goes_away_frees_its_idempotency_key(pair: Pair, upstream: Witness) -> None:
    upstream.reset()
    for stream in (False, True):
        model = "stall" if stream else "slow-400"
        body = {"model": model, "messages": [{"role": "user", "content": "a"}], "stream": stream}
        raw = json.dumps(body).encode()
        token = f"goes-{stream}"
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nidempotency-key: {token}\r\n"
            f"authorization: Bearer {pair.first.key}\r\ncontent-length: {len(raw)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", pair.first.port)) as peer:
            peer.sendall(head.encode() + raw)
            until(lambda name=model: upstream.counts(name).in_flight == 1, 3)
            held = pair.second.call("/v1/chat/completions", raw, headers={"idempotency-key": token})
            assert held.status == 409, "the control: meanwhile it is taken"
        other = {**body, "model": "ok"}
        until(lambda sent=other, one=token: pair.second.call(
            "/v1/chat/completions", sent, headers={"idempotency-key": one}).status == 200, 3)  # fmt: skip
        assert upstream.counts(model).in_flight == 0
    failed = [_chat(pair.first, "r500", "failed") for _ in range(2)]
    assert [one.status for one in failed] == [503, 503]
    assert upstream.counts("r500").requests == 2, "what failed is tried again"


def test_a_stream_is_replayed_byte_for_byte(pair: Pair, upstream: Witness) -> None:
    upstream.reset()
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    first = _chat(pair.first, "ok", "streamed", **usage)
    again = _chat(pair.second, "ok", "streamed", **usage)
    assert first.body == again.body
    assert first.body.endswith(b"data: [DONE]\n\n")
    assert b'"usage":{' in first.body
    assert again.headers["content-type"] == first.headers["content-type"]
    assert (again.headers["idempotent-replayed"], first.headers.get("idempotent-replayed")) == (
        "true",
        None,
    )
    assert upstream.counts().requests == 1
    for wrong in ("", " ", "x y", "k" * 256, "é"):
        told = _chat(pair.first, "ok", wrong)
        assert (told.status, told.error["param"]) == (422, "Idempotency-Key"), wrong


def _dump(pair: Pair) -> bytes:
    """Every row of every table as text."""
    engine = pair.first.database.engine
    lines: list[str] = []
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            lines += map(str, connection.execute(text(f'SELECT * FROM "{table}"')).all())
    return "\n".join(lines).encode()


def test_no_key_is_found_in_what_the_servers_leave(pair: Pair) -> None:
    """The last test of this file: what all others did is looked at."""
    key = pair.new_key("seen", "ok", "r500")
    planted = "planted-canary-that-must-be-found"
    for api in pair.both:
        pair.note(
            api.call(
                "/apps/ok/invoke", {"messages": [{"role": "user", "content": planted}]}, key=key
            )
        )
        pair.note(
            api.call("/apps/r500/invoke", {"messages": [{"role": "user", "content": "x"}]}, key=key)
        )
        pair.note(api.call("/apps/none/invoke", {"messages": []}, key=key))
        pair.note(api.call(f"/v1/models/{key[:20]}", method="GET", key=key + "x"))
        pair.note(api.call("/openapi.json", method="GET", key=key))
    until(lambda: planted.encode() in _dump(pair), 5, "the control: the dump has what was said")
    places = b"\x00".join([_dump(pair), *pair.said, *(log.read_bytes() for log in pair.logs)])
    assert len(pair.keys) > 5
    for one in pair.keys:
        assert one.encode() not in places
        assert one[8:].encode() not in places, "the prefix is shown, and no more"
