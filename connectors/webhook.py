"""A JSON message to an address that a person entered: checked like a model's, asked once."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from connectors.address import Address, RefusedAddress, parse_address
from connectors.client import CheckedClient
from connectors.reading import failure_of
from connectors.wire import RETRYABLE, FailureKind, Target
from core.canonical import Json

SECONDS = 5.0
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


class Delivery(NamedTuple):
    """What came of one try; `again`: another one may succeed. `why` is a code, None if it did."""

    delivered: bool
    status: int | None
    why: FailureKind | None
    again: bool


class WebhookAddress(NamedTuple):
    """Where a message goes; `path` begins after the slash and may have a query."""

    server: Address
    path: str


def parse_webhook(url: str) -> WebhookAddress:
    """Read an address, which may have a query; raises RefusedAddress for what is malformed."""
    base, mark, query = url.strip(" ").partition("?")
    address = parse_address(base)
    if not _QUERY.fullmatch(query):
        raise RefusedAddress(
            "The address of the webhook has characters in its query that no address has. Write "
            "them as %XX.",
            param="url",
        )
    slash = "/" if base.endswith("/") and address.path else ""
    server = Address(address.scheme, address.host, address.port, "", address.ip)
    return WebhookAddress(server, f"{address.path.removeprefix('/')}{slash}{mark}{query}")


class WebhookClient(CheckedClient):
    """Messages without any key; redirects are followed nowhere."""

    async def post(
        self, url: str, message: Mapping[str, Json], *, local_allowed: bool = False
    ) -> Delivery:
        """Send one message within `SECONDS`; any 2xx is a delivery. Never raises."""
        try:
            where = parse_webhook(url)
        except RefusedAddress:
            return Delivery(False, None, "refused_address", again=False)
        target = Target(
            "webhook",
            "openai",
            "",
            base_url=where.server.url,
            timeout=SECONDS,
            local_allowed=local_allowed,
        )
        try:
            return await self._post(target, where.path, orjson.dumps(message))
        except Exception as error:
            kind = failure_of(target, error).kind
            return Delivery(False, None, kind, kind in RETRYABLE)

    async def _post(self, target: Target, path: str, body: bytes) -> Delivery:
        endpoint = self.checked(target, path)
        async with self.session.post(
            endpoint.url,
            data=body,
            headers=endpoint.headers,
            timeout=endpoint.whole,
            allow_redirects=False,
        ) as response:
            return _delivery(response.status)


def _delivery(status: int) -> Delivery:
    if 200 <= status < 300:
        return Delivery(True, status, None, again=False)
    if 300 <= status < 400:
        return Delivery(False, status, "redirect", again=False)
    if status == 429:
        return Delivery(False, status, "rate_limited", again=True)
    if status >= 500:
        return Delivery(False, status, "server", again=True)
    return Delivery(False, status, "bad_request", again=False)
