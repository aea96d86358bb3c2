"""What every HTTP call to a model shares: one session a loop, checked addresses, no redirects."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from connectors.address import parse_address, refusal
from connectors.reading import failure_of
from connectors.resolver import CheckedResolver, RefusedHost
from connectors.wire import ChatError, Target

CONNECT_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of a target's server and how it is asked."""

    url: URL
    headers: Mapping[str, str]
    whole: aiohttp.ClientTimeout
    stream: aiohttp.ClientTimeout
    place: tuple[str, int]
    refused: str | None


@lru_cache(maxsize=256)
def _endpoint(target: Target, path: str) -> Endpoint:
    """All of a call that is the same for every call of a target; raises RefusedAddress."""
    address = parse_address(target.base_url)
    # Answers are small and a compressed one can be a bomb: none is asked for.
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "promptstone",
    }
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    refused = None
    if address.ip is not None:
        refused = refusal(
            address.host, address.port, address.ip, local_allowed=target.local_allowed
        )
    return Endpoint(
        URL(f"{address.url}/{path}", encoded=True),
        headers,
        aiohttp.ClientTimeout(total=target.timeout, sock_connect=CONNECT_TIMEOUT),
        aiohttp.ClientTimeout(
            total=target.timeout, sock_connect=CONNECT_TIMEOUT, sock_read=target.idle_timeout
        ),
        (address.host, address.port),
        refused,
    )


class _Protocol(ResponseHandler):
    """aiohttp runs its parser once more after each read, in case it had been paused.

    A stream is read once a token, so that is felt; where nothing was paused, nothing is
    to be resumed.
    """

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused:
            super().resume_reading(resume_parser)


class CheckedClient:
    """Calls of one event loop; `async with` opens and closes its connections."""

    def __init__(self, resolver: CheckedResolver | None = None) -> None:
        self._resolver = resolver or CheckedResolver()
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, resolver=self._resolver, use_dns_cache=False)
        made = partial(_Protocol, loop=asyncio.get_running_loop())
        connector._factory = made  # type: ignore[assignment]
        self._opened = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            await self._opened.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session; redirects are followed by nobody who uses it."""
        assert self._opened is not None, "a client is used outside of `async with`"
        return self._opened

    def checked(self, target: Target, path: str) -> Endpoint:
        """Where to ask; raises RefusedAddress or RefusedHost."""
        endpoint = _endpoint(target, path)
        if endpoint.refused is not None:
            raise RefusedHost(endpoint.refused)
        # The allowlist is read anew for each call, so that an entry can be taken back.
        if target.local_allowed:
            self._resolver.allowed.add(endpoint.place)
        else:
            self._resolver.allowed.discard(endpoint.place)
        return endpoint


@contextmanager
def told_as_chat_errors(target: Target) -> Iterator[None]:
    """Whatever goes wrong inside is a ChatError that names the target and the remedy."""
    try:
        yield
    except (ChatError, asyncio.CancelledError):
        raise
    except Exception as error:
        raise ChatError(failure_of(target, error)) from None


def unsent(error: aiohttp.ClientOSError) -> bool:
    """Whether a kept connection was found closed before a single byte of the call was written."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectionResetError) and "closing" in str(cause)
