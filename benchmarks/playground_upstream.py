"""A model's server whose first token comes at a set time: `first-300` after 300 ms, then 20 more.

    python -m benchmarks.playground_upstream      # prints its port; ends with its standard input

Every answer begins with `answerN/ASKED/SAID`: its number, and when the request came and the word left,
in milliseconds of the epoch.
"""

import asyncio
import itertools
import json
import re
import threading
import time

import uvloop

from benchmarks.gateway_upstream import end_with_parent

_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
_FIRST = re.compile(rb'"first-(\d+)"')
_BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_numbers = itertools.count(1)


def _event(data: str) -> bytes:
    text = f"data: {data}\n\n"
    return f"{len(text):x}\r\n{text}\r\n".encode()


def _word(text: str) -> bytes:
    return _event(json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, call after call."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = await reader.readexactly(int(found[1]) if found else 0)
            asked, found = time.time() * 1000, _FIRST.search(body)
            await asyncio.sleep(int(found[1]) / 1000 if found else 0)
            said = time.time() * 1000
            writer.write(_BEGIN + _word(f"answer{next(_numbers)}/{asked:.1f}/{said:.1f} "))
            for place in range(20):
                await asyncio.sleep(0.01)
                writer.write(_word(f"word{place} "))
            usage = {"prompt_tokens": 20, "completion_tokens": 21}
            writer.write(_event(json.dumps({"choices": [], "usage": usage})))
            writer.write(_event("[DONE]") + b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvloop.run(serve())
