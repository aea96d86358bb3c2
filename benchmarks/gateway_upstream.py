"""A model's server that costs next to nothing: some 20 µs of CPU a call, bytes made beforehand.

    python -m benchmarks.gateway_upstream      # prints its port; ends with its standard input

The model's name says how it answers: `fast` at once, `paced-10` a token every 10 ms. `GET /counts`
tells what was asked. HTTP/1.1 is read by hand, so a call may come in any pieces, but not chunked.
"""

import asyncio
import json
import os
import re
import threading
from typing import cast

import uvloop

TOKENS = 60
ANSWER = " ".join(f"word{at}" for at in range(TOKENS))
USAGE = '"usage":{"prompt_tokens":20,"completion_tokens":60,"total_tokens":80}'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
_PACE = re.compile(rb'"paced-(\d+)"')
_STREAM = re.compile(rb'"stream": ?true')
COUNTS = {"whole": 0, "streams": 0, "streams_ended": 0}


def _head(kind: str, rest: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{rest}\r\n\r\n".encode()


def _sized(body: bytes) -> bytes:
    return _head("application/json", f"Content-Length: {len(body)}") + body


def _whole() -> bytes:
    message = f'{{"role":"assistant","content":"{ANSWER}"}}'
    choice = f'{{"index":0,"message":{message},"logprobs":null,"finish_reason":"stop"}}'
    head = '"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1764000000'
    return _sized(f'{{{head},"model":"fast","choices":[{choice}],{USAGE}}}'.encode())


def _event(delta: str, finish: str = "null") -> bytes:
    head = '"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764000000'
    choice = f'{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}'
    return _chunk(f'data: {{{head},"model":"fast","choices":[{choice}]}}\n\n')


def _chunk(text: str) -> bytes:
    return f"{len(text):x}\r\n{text}\r\n".encode()


WHOLE = _whole()
BEGIN = _head("text/event-stream", "Transfer-Encoding: chunked")
EVENTS = [
    _event('{"role":"assistant","content":""}')
    + _event('{"content":"word0"}'),
    *(_event(f'{{"content":" word{at}"}}') for at in range(1, TOKENS)),
]  # fmt: skip
_HEAD = '"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764000000'
LAST_USAGE = _chunk(f'data: {{{_HEAD},"model":"fast","choices":[],{USAGE}}}\n\n')
END = _event("{}", '"stop"')
DONE = _chunk("data: [DONE]\n\n") + b"0\r\n\r\n"


class Server(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            asked, self.buffer = self.buffer[:size], self.buffer[size:]
            self.answer(asked)

    def answer(self, asked: bytes) -> None:
        if not asked.startswith(b"POST"):
            listed = {"object": "list", "data": [{"id": "fast", "object": "model"}]}
            found = COUNTS if asked.startswith(b"GET /counts") else listed
            self.transport.write(_sized(json.dumps(found).encode()))
        elif _STREAM.search(asked):
            COUNTS["streams"] += 1
            pace = _PACE.search(asked)
            self.stream(0, int(pace[1]) / 1000 if pace else 0.0, b'"include_usage"' in asked)
        else:
            COUNTS["whole"] += 1
            self.transport.write(WHOLE)

    def stream(self, at: int, pause: float, usage: bool) -> None:
        if self.transport.is_closing():
            return
        if not pause:
            self.transport.write(BEGIN + b"".join(EVENTS))
            at = TOKENS
        elif at < TOKENS:
            self.transport.write(EVENTS[at] if at else BEGIN + EVENTS[0])
            self.loop.call_later(pause, self.stream, at + 1, pause, usage)
        if at >= TOKENS:
            COUNTS["streams_ended"] += 1
            self.transport.write(END + (LAST_USAGE if usage else b"") + DONE)


def end_with_parent() -> None:
    """The parent holds our standard input: its end is our end."""
    while os.read(0, 65_536):
        pass
    os._exit(0)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvloop.run(serve())
