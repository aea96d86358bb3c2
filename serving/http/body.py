"""The body of a request within limits of size and time."""

import asyncio

from starlette.types import Receive, Scope

from core.errors import Invalid, TooLarge
from serving.bodies import MAX_BODY

_SLOWEST = 20.0
"""Seconds that a body of at most 1 MiB may take."""


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body; raises TooLarge, Invalid or ClientGone."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise _too_large()
    try:
        async with asyncio.timeout(_SLOWEST):
            return await _read(receive)
    except TimeoutError:
        raise Invalid("The body did not arrive within 20 seconds. Send it at once.") from None


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large() -> TooLarge:
    return TooLarge("The body has more than 1 MiB. Send less.")


async def until_gone(receive: Receive) -> None:
    """Returns when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
