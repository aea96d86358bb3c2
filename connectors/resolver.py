"""The resolver that checks every IP is the one whose answer is connected to.

A name that resolves to a private address is the usual way into a network from a form field; a check
apart from the connect is fooled by a name server that answers differently the second time.
"""

import asyncio
import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from connectors.address import Ip, parse_address, reach, refusal

REMEMBERED = 10.0
"""Seconds for which a name is not asked again."""


class RefusedHost(OSError):
    """Raised inside the resolver, where aiohttp expects an OSError."""


class CheckedResolver(AbstractResolver):
    """Resolves names and passes on only what was checked; `allowed` holds (host, port) pairs."""

    def __init__(self) -> None:
        self.allowed: set[tuple[str, int]] = set()
        self._known: dict[tuple[str, int, int], tuple[float, asyncio.Task[list[Ip]]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of `host`; raises RefusedHost if a single one of them is refused."""
        found = await self._remembered(host, port, family)
        for ip in found:
            why = refusal(host, port, ip, local_allowed=(host, port) in self.allowed)
            if why is not None:
                raise RefusedHost(why)
        return [_result(host, port, ip) for ip in dict.fromkeys(found)]

    async def _remembered(self, host: str, port: int, family: socket.AddressFamily) -> list[Ip]:
        """What `look_up` said within the last seconds; it is checked again at each use."""
        loop = asyncio.get_running_loop()
        key = (host, port, int(family))
        until, task = self._known.get(key, (0.0, None))
        if task is None or until < loop.time() or _failed(task):
            task = loop.create_task(self.look_up(host, port, family))
            self._known[key] = (loop.time() + REMEMBERED, task)
        # Shielded: several calls wait for one look-up, and one of them may be cancelled.
        return await asyncio.shield(task)

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[Ip]:
        """Ask the system's resolver; raises OSError when the name is unknown."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        # A zone (fe80::1%eth0) is cut off: such an address is link-local and refused anyway.
        return [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in infos]

    async def close(self) -> None:
        """Nothing is held."""


def _failed(task: asyncio.Task[list[Ip]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def leads_to_local(url: str) -> bool:
    """Whether a base URL leads to this machine or its network, so that only the allowlist opens it.

    Asks the name server, so it blocks: not inside a transaction. Raises RefusedAddress.
    """
    address = parse_address(url)
    if address.ip is not None:
        return reach(address.ip) == "local"
    try:
        infos = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(
        reach(ipaddress.ip_address(str(info[4][0]).partition("%")[0])) == "local" for info in infos
    )


def _result(host: str, port: int, ip: Ip) -> ResolveResult:
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(
        hostname=host, host=str(ip), port=port, family=family, proto=0, flags=flags
    )
