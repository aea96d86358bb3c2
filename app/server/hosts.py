"""Which Host and Origin headers are ours: against DNS rebinding and forged writes."""

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARD = frozenset({"0.0.0.0", "::", ""})  # noqa: S104
_DEFAULT_PORT = {"http": "80", "https": "443"}


class HostRule(NamedTuple):
    """Names under which the server may be reached; `addresses` allows any IP literal too.

    A literal cannot be rebound: whoever opened it asked for this very machine.
    """

    names: frozenset[str]
    addresses: bool


def host_rule(listen: str, further: Iterable[str]) -> HostRule:
    """Loopback names, the address listened on, and what the administrator added."""
    names = {name.strip().lower().rstrip(".") for name in (*further, listen)}
    return HostRule(frozenset(names | _LOOPBACK) - _WILDCARD, listen in _WILDCARD)


def is_host_allowed(rule: HostRule, header: str | None) -> bool:
    """Whether a Host header names this server."""
    found = _HOST.fullmatch(header or "")
    if found is None:
        return False
    name = found[1].strip("[]").lower().rstrip(".")
    return name in rule.names or (rule.addresses and _is_address(name))


def is_same_origin(origin: str, host: str | None) -> bool:
    """Whether an Origin header is the page that this very host and port served."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORT or not host:
        return False
    port = _DEFAULT_PORT[parts.scheme]
    return _with_port(parts.netloc, port) == _with_port(host, port)


def _with_port(netloc: str, default: str) -> tuple[str, str] | None:
    found = _HOST.fullmatch(netloc)
    return (found[1].lower(), found[2] or default) if found else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
