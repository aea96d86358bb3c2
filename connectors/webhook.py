"""A JSON message to an address that a person entered: checked like a model's, asked once."""

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from connectors.address import RefusedAddress
from connectors.client import CheckedClient
from connectors.reading import failure_of
from connectors.webhook_address import parse_webhook
from connectors.wire import RETRYABLE, FailureKind, Target
from core.canonical import Json

SECONDS = 5.0


class Delivery(NamedTuple):
    """What came of one try; `again`: another one may succeed. `why` is a code, None if it did."""

    delivered: bool
    status: int | None
    why: FailureKind | None
    again: bool


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
