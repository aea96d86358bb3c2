"""Addresses of webhooks: those of models, and a query. Pure."""

import re
from typing import NamedTuple

from connectors.address import Address, RefusedAddress, parse_address

_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


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
