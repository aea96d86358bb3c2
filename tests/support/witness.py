"""The witness: a loopback server that speaks OpenAI's wire, misbehaves when told, and counts.

    with witness() as w:
        w.base_url                      # http://127.0.0.1:PORT/v1
        w.counts().requests             # chat calls that arrived, over all models
        w.counts("ok").input_tokens     # tokens of the answers one model gave
        w.counts("ok").by_prompt["hi"]  # calls by the text of the last user message
        w.requests()                    # the last 2,000 calls: model, headers, body
        w.reply("judge", '{"score": 1}')  # a fixed answer for a model name
        w.reset()

It runs in a child process that ends with its parent. The model's name says what happens; several
behaviours are joined by `+` (`slow-200+flaky-20`). Faults are deterministic: they follow from the
sha256 of (prompt, number of the attempt).

    ok                the answer is "echo: " and the last user message; usage counts words
    slow-MS           answers after MS milliseconds          think-MS  the same before a stream's text
    flaky-P           P % of the calls answer 429 (Retry-After 0.05), 500 or 503 in turn
    hangy-P           P % of the calls never answer          fail-K    the first K calls of a prompt: 500
    r429-S            429 with Retry-After S                 rNNN      status NNN with OpenAI's error
    quota             429 insufficient_quota                 echokey   401 that repeats the key
    limit-N           429 beyond N calls in flight           rpm-N     429 beyond N calls in a second
    nousage badusage  usage left out, or nonsense            nan       a NaN in the JSON
    hugeusage         more tokens than any column holds      half      half a character in the text
    garbage html empty truncated nochoices deep many utf8         answers that are not a chat answer
    cut               the connection is reset half way       rst       ... before any byte
    huge50mb gzipbomb bigheader manyheaders badgzip          too much of something
    drip-S            one byte every S seconds               hang      no byte at all
    endless           a stream that never ends               longline  one SSE line of 40 MB
    stall             a stream that stops without closing    redirect  307 to `w.redirect_to(URL)`
    nodone dupdone errorevent                                streams with a wrong end
    tool              answers with a tool call               model     the answer names the model
"""

import asyncio
import gzip
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson

FOREVER = 3600.0
REASONS = {200: "OK", 307: "Temporary Redirect", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Counts:
    """What arrived and what was answered in full; tokens are those of full answers."""

    requests: int
    answered: int
    input_tokens: int
    output_tokens: int
    in_flight: int
    most_in_flight: int
    statuses: dict[str, int]
    by_prompt: dict[str, int]


class Witness:
    """The parent's handle of the child process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.root = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.root}/v1"

    def counts(self, model: str | None = None) -> Counts:
        """The counters of one model name, or of all."""
        return Counts(**self._call("counts", {"model": model}))

    def requests(self) -> list[dict[str, Any]]:
        """The last 2,000 chat calls as {model, path, headers, body}."""
        return self._call("requests", {})

    def reply(self, model: str, text: str) -> None:
        """Let `model` answer `text` always."""
        self._call("set", {"replies": {model: text}})

    def redirect_to(self, url: str) -> None:
        """Where the model `redirect` points."""
        self._call("set", {"location": url})

    def reset(self) -> None:
        """Forget counts, requests, replies."""
        self._call("reset", {})

    def _call(self, what: str, body: dict[str, Any]) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        address = f"{self.root}/witness/{what}"
        with opener.open(address, data=json.dumps(body).encode(), timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def witness() -> Iterator[Witness]:
    """Start the server on a free loopback port; it ends with the block or with this process."""
    command = [sys.executable, str(Path(__file__).resolve())]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        yield Witness(int(child.stdout.readline()))
    finally:
        child.stdin.close()
        child.kill()
        child.wait()
        child.stdout.close()


@dataclass
class Tally:
    """Running counters of one model name."""

    requests: int = 0
    answered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    by_prompt: Counter[str] = field(default_factory=Counter)


@dataclass
class State:
    """Everything the server remembers."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)
    location: str = ""
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=2000))
    arrivals: dict[str, deque[float]] = field(default_factory=dict)


STATE = State()


@dataclass
class Call:
    """One chat call on its way through the behaviours of its model name."""

    model: str
    body: dict[str, Any]
    headers: dict[str, str]
    prompt: str
    attempt: int
    tally: Tally
    behaviours: dict[str, float]
    input_tokens: int
    ended: bool = False

    def end(self) -> None:
        """No longer in flight: said before the last byte leaves, since the client may then call."""
        if not self.ended:
            self.ended = True
            self.tally.in_flight -= 1

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    def chance(self) -> float:
        """A number in [0, 1) that follows from prompt and attempt alone."""
        seed = f"{self.prompt}|{self.attempt}".encode()
        return int.from_bytes(hashlib.sha256(seed).digest()[:8]) / 2**64


TOOL_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"q": "x"}'},
}


def parse_model(name: str) -> dict[str, float]:
    """`slow-200+flaky-20` to {"slow": 200.0, "flaky": 20.0}."""
    found: dict[str, float] = {}
    for part in name.split("+"):
        word, _, number = part.partition("-")
        try:
            found[word] = float(number) if number else 0.0
        except ValueError:
            found[word] = 0.0
    return found


def last_user(messages: Any) -> str:
    """Text of the last user message; of content parts, the text parts joined."""
    for message in reversed(messages or []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, list):
                return "".join(part.get("text", "") for part in content)
            return content if isinstance(content, str) else ""
    return ""


def words(messages: Any) -> int:
    """Words of all contents: the unit of this server's usage."""
    return sum(len(str(message.get("content") or "").split()) for message in messages or [])


class Server(asyncio.Protocol):
    """One connection: parses HTTP/1.1 by hand, because each microsecond is counted elsewhere."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's, so this is a cast.
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.tasks: set[asyncio.Task[None]] = set()
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        for task in self.tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"\x16\x03"):
            # A TLS greeting: this port speaks plain HTTP.
            self.transport.abort()
            return
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            size = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + size:
                break
            body = self.buffer[end + 4 : end + 4 + size]
            self.buffer = self.buffer[end + 4 + size :]
            self.handle(lines[0].split(" ")[1], headers, body)

    def handle(self, path: str, headers: dict[str, str], body: bytes) -> None:
        if path.startswith("/witness/"):
            self.send(orjson.dumps(control(path[9:], orjson.loads(body or b"{}"))))
        elif path.endswith("/chat/completions"):
            self.chat(path, headers, orjson.loads(body))
        elif path.endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in ("ok", "slow-200")]
            self.send(orjson.dumps({"object": "list", "data": listed}))
        else:
            self.send(b'{"error":{"message":"no such path"}}', 404)

    def chat(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
        model = str(body.get("model"))
        messages = body.get("messages")
        tally = STATE.tallies.setdefault(model, Tally())
        prompt = last_user(messages)
        tally.requests += 1
        tally.by_prompt[prompt] += 1
        tally.in_flight += 1
        tally.most_in_flight = max(tally.most_in_flight, tally.in_flight)
        STATE.log.append({"model": model, "path": path, "headers": headers, "body": body})
        attempt = tally.by_prompt[prompt]
        behaviours = parse_model(model)
        call = Call(model, body, headers, prompt, attempt, tally, behaviours, words(messages))
        if behaviours.keys() == {"ok"} and not call.stream:
            self.answer(call)
            return
        task = asyncio.get_running_loop().create_task(self.misbehave(call))
        self.tasks.add(task)
        task.add_done_callback(lambda _: self.done(call, task))

    def done(self, call: Call, task: asyncio.Task[None]) -> None:
        call.end()
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            print(repr(error), file=sys.stderr)

    async def misbehave(self, call: Call) -> None:
        wants = call.behaviours
        if "slow" in wants:
            await asyncio.sleep(wants["slow"] / 1000)
        if "hangy" in wants and call.chance() < wants["hangy"] / 100:
            await asyncio.sleep(FOREVER)
        if self.refused(call) or self.failed(call):
            return
        fault = next((FAULTS[name] for name in wants if name in FAULTS), None)
        if fault is not None:
            await fault(self, call)
        elif call.stream:
            await self.answer_stream(call)
        else:
            self.answer(call)

    def failed(self, call: Call) -> bool:
        """The faults of some calls only; True when an error was sent."""
        wants = call.behaviours
        share = wants.get("flaky", 0) / 100
        if call.attempt <= wants.get("fail", 0):
            self.error(call, 500, "server_error")
        elif (chance := call.chance()) < share:
            self.error(call, (429, 500, 503)[int(chance / share * 3)], "flaky", retry_after=0.05)
        else:
            return False
        return True

    def refused(self, call: Call) -> bool:
        """Statuses, quotas and rates; True when an error was sent."""
        wants = call.behaviours
        for name, number in wants.items():
            if name[:1] == "r" and name[1:].isdigit():
                code = "model_not_found" if name == "r404" else "refused"
                self.error(call, int(name[1:]), code, retry_after=number or None)
                return True
        if "quota" in wants:
            self.error(call, 429, "insufficient_quota")
        elif "echokey" in wants:
            self.error(call, 401, "wrong key " + call.headers.get("authorization", ""))
        elif ("limit" in wants and call.tally.in_flight > wants["limit"]) or (
            "rpm" in wants and self.too_fast(call)
        ):
            self.error(call, 429, "rate_limit_exceeded")
        else:
            return False
        return True

    def too_fast(self, call: Call) -> bool:
        seen = STATE.arrivals.setdefault(call.model, deque())
        now = time.monotonic()
        while seen and seen[0] < now - 1:
            seen.popleft()
        if len(seen) >= call.behaviours["rpm"]:
            return True
        seen.append(now)
        return False

    def error(
        self, call: Call, status: int, code: str, *, retry_after: float | None = None
    ) -> None:
        extra = "" if retry_after is None else f"Retry-After: {retry_after:g}\r\n"
        call.tally.statuses[str(status)] += 1
        body = {"error": {"message": f"told to: {code}", "type": "witness", "code": code}}
        call.end()
        self.send(orjson.dumps(body), status, extra)

    def calls_tool(self, call: Call) -> bool:
        """Always for `tool`, until it is told a result for `tooluse`."""
        told = call.body["messages"][-1].get("role") == "tool"
        return "tool" in call.behaviours or ("tooluse" in call.behaviours and not told)

    def text(self, call: Call) -> str:
        last = call.body["messages"][-1]
        if "tooluse" in call.behaviours and last.get("role") == "tool":
            return f"told: {last['content']}"
        if "model" in call.behaviours:
            return call.model
        return STATE.replies.get(call.model, f"echo: {call.prompt}")

    def usage(self, call: Call, text: str) -> dict[str, Any] | None:
        if "nousage" in call.behaviours:
            return None
        if "badusage" in call.behaviours:
            return {
                "prompt_tokens": -5,
                "completion_tokens": "many",
                "total_tokens": 1e308,
            }
        if "hugeusage" in call.behaviours:
            return {"prompt_tokens": 2**63, "completion_tokens": 1, "total_tokens": 2**63 + 1}
        output = len(text.split())
        return {
            "prompt_tokens": call.input_tokens,
            "completion_tokens": output,
            "total_tokens": call.input_tokens + output,
        }

    def completion(self, call: Call) -> bytes:
        text = self.text(call)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        finish = "stop"
        if self.calls_tool(call):
            message = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
            finish = "tool_calls"
        answer: dict[str, Any] = {
            "id": "chatcmpl-witness",
            "object": "chat.completion",
            "created": 1,
            "model": call.model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        }
        if usage := self.usage(call, text):
            answer["usage"] = usage
        made = orjson.dumps(answer)
        return made.replace(b"echo:", b"\\ud800") if "half" in call.behaviours else made

    def answer(self, call: Call) -> None:
        call.end()
        self.send(self.completion(call))
        self.count_answer(call)

    def count_answer(self, call: Call) -> None:
        call.tally.answered += 1
        call.tally.statuses["200"] += 1
        call.tally.input_tokens += call.input_tokens
        call.tally.output_tokens += len(self.text(call).split())

    def send(
        self,
        body: bytes,
        status: int = 200,
        extra: str = "",
        *,
        kind: str = "application/json",
        length: int | None = None,
    ) -> None:
        reason = REASONS.get(status, "Status")
        head = (
            f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n{extra}\r\n"
        )
        self.transport.write(head.encode() + body)

    async def drain(self) -> None:
        await self.writable.wait()

    def start_stream(self, kind: str = "text/event-stream") -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.transport.write(head.encode())

    def chunk(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, value: Any) -> None:
        self.chunk(
            b"data: " + (value if isinstance(value, bytes) else orjson.dumps(value)) + b"\n\n"
        )

    def delta(self, call: Call, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.event(
            {
                "id": "chatcmpl-witness",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": call.model,
                "choices": [choice],
            }
        )

    async def answer_stream(self, call: Call, pause: float = 0.0) -> None:
        await asyncio.sleep(call.behaviours.get("think", 0) / 1000)
        self.start_stream()
        text = self.text(call)
        self.delta(call, {"role": "assistant", "content": ""})
        for index, word in enumerate(text.split(" ")):
            self.delta(call, {"content": word if index == 0 else " " + word})
            await asyncio.sleep(pause)
        if self.calls_tool(call):
            self.delta(call, {"tool_calls": [{"index": 0, **TOOL_CALL}]}, "tool_calls")
        else:
            self.delta(call, {}, "stop")
        wants_usage = (call.body.get("stream_options") or {}).get("include_usage")
        if wants_usage and (usage := self.usage(call, text)):
            self.event({"id": "x", "model": call.model, "choices": [], "usage": usage})
        ends = 0 if "nodone" in call.behaviours else 2 if "dupdone" in call.behaviours else 1
        for _ in range(ends):
            self.event(b"[DONE]")
        self.chunk(b"")
        self.count_answer(call)


async def garbage(server: Server, call: Call) -> None:
    server.send(b"\x00\xff this is no JSON {{{", kind="application/octet-stream")


async def html(server: Server, call: Call) -> None:
    server.send(b"<!doctype html><title>Log in to the hotel</title>", kind="text/html")


async def empty(server: Server, call: Call) -> None:
    server.send(b"")


async def truncated(server: Server, call: Call) -> None:
    body = server.completion(call)
    server.send(body[: len(body) // 2])


async def nochoices(server: Server, call: Call) -> None:
    server.send(b'{"id": 7, "choices": {"0": "x"}, "usage": []}')


async def deep(server: Server, call: Call) -> None:
    server.send(b"[" * 200_000 + b"]" * 200_000)


async def many(server: Server, call: Call) -> None:
    server.send(b'{"choices": [' + b"[]," * 3_000_000 + b"[]]}")


async def utf8(server: Server, call: Call) -> None:
    server.send(server.completion(call).replace(b"echo", b"\xff\xfe\xc3("))


async def nan(server: Server, call: Call) -> None:
    server.send(b'{"choices":[{"message":{"content":"x"},"logprobs":NaN}],"usage":null}')


async def cut(server: Server, call: Call) -> None:
    """Half of the answer, then a reset."""
    if call.stream:
        server.start_stream()
        server.delta(call, {"role": "assistant", "content": "half of"})
    else:
        body = server.completion(call)
        server.send(body[: len(body) // 2], length=len(body))
    await asyncio.sleep(0.05)
    await rst(server, call)


async def rst(server: Server, call: Call) -> None:
    sock = server.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.transport.abort()


async def hang(server: Server, call: Call) -> None:
    await asyncio.sleep(FOREVER)


async def drip(server: Server, call: Call) -> None:
    server.start_stream("text/event-stream" if call.stream else "application/json")
    while True:
        server.chunk(b" ")
        await asyncio.sleep(call.behaviours["drip"] or 5)


async def endless(server: Server, call: Call) -> None:
    server.start_stream("text/event-stream" if call.stream else "application/json")
    while not server.transport.is_closing():
        if call.stream:
            server.delta(call, {"content": "word " * 100})
        else:
            server.chunk(b" " * 65_536)
        await server.drain()
        await asyncio.sleep(0)


async def stall(server: Server, call: Call) -> None:
    server.start_stream()
    server.delta(call, {"role": "assistant", "content": "then nothing"})
    await asyncio.sleep(FOREVER)


async def longline(server: Server, call: Call) -> None:
    server.start_stream()
    server.chunk(b"data: ")
    for _ in range(640):
        if server.transport.is_closing():
            return
        server.chunk(b"x" * 65_536)
        await server.drain()
        await asyncio.sleep(0)
    server.chunk(b"")


async def errorevent(server: Server, call: Call) -> None:
    server.start_stream()
    server.delta(call, {"role": "assistant", "content": "so far so"})
    server.event({"error": {"message": "the engine died", "type": "server_error", "code": 500}})
    server.chunk(b"")


async def huge50mb(server: Server, call: Call) -> None:
    size = 50 * 2**20
    head, tail = b'{"choices":[{"message":{"content":"', b'"}}]}'
    server.send(head, length=size)
    left = size - len(head) - len(tail)
    while left and not server.transport.is_closing():
        piece = min(left, 2**18)
        server.transport.write(b"x" * piece)
        left -= piece
        await server.drain()
        await asyncio.sleep(0)
    server.transport.write(tail)


def bomb(size: int = 2**30) -> bytes:
    """About 1 MB of gzip that unpacks to 1 GiB."""
    packer = zlib.compressobj(9, wbits=31)
    block = b"\0" * 2**20
    return b"".join(packer.compress(block) for _ in range(size // 2**20)) + packer.flush()


async def gzipbomb(server: Server, call: Call) -> None:
    packed = await asyncio.get_running_loop().run_in_executor(None, bomb)
    server.send(packed, extra="Content-Encoding: gzip\r\n")


async def badgzip(server: Server, call: Call) -> None:
    packed = gzip.compress(server.completion(call))
    server.send(packed[:20] + b"\xff" * 40, extra="Content-Encoding: gzip\r\n")


async def goodgzip(server: Server, call: Call) -> None:
    packed = gzip.compress(server.completion(call))
    server.send(packed, extra="Content-Encoding: gzip\r\n")
    server.count_answer(call)


async def bigheader(server: Server, call: Call) -> None:
    server.send(server.completion(call), extra=f"X-Big: {'x' * 10_000_000}\r\n")


async def manyheaders(server: Server, call: Call) -> None:
    extra = "".join(f"X-H{index}: {'x' * 100}\r\n" for index in range(200_000))
    server.send(server.completion(call), extra=extra)


async def redirect(server: Server, call: Call) -> None:
    location = STATE.location or "/v1/models"
    server.send(b"", 307, f"Location: {location}\r\n")


_ALL = (
    (garbage, html, empty, truncated, nochoices, deep, many, utf8, nan, cut, rst, hang, drip),
    (endless, stall, longline, errorevent, huge50mb, gzipbomb, badgzip, goodgzip),
    (bigheader, manyheaders, redirect),
)
FAULTS = {fault.__name__: fault for group in _ALL for fault in group}


def control(what: str, body: dict[str, Any]) -> Any:
    """The paths under /witness/."""
    if what == "requests":
        return list(STATE.log)
    if what == "set":
        STATE.replies.update(body.get("replies", {}))
        STATE.location = body.get("location", STATE.location)
    if what == "reset":
        for kept in (STATE.tallies, STATE.replies, STATE.log, STATE.arrivals):
            kept.clear()
    model = body.get("model")
    chosen = [tally for name, tally in STATE.tallies.items() if model in (None, name)]
    total = {
        name: sum(getattr(tally, name) for tally in chosen)
        for name in (
            "requests",
            "answered",
            "input_tokens",
            "output_tokens",
            "in_flight",
        )
    }
    most = max((tally.most_in_flight for tally in chosen), default=0)
    return {
        **total,
        "most_in_flight": most,
        "statuses": sum((tally.statuses for tally in chosen), Counter[str]()),
        "by_prompt": sum((tally.by_prompt for tally in chosen), Counter[str]()),
    }


def end_with_parent() -> None:
    """The parent holds our standard input: its end is our end."""
    while os.read(0, 65_536):
        pass
    os._exit(0)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    threading.Thread(target=end_with_parent, daemon=True).start()
    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
