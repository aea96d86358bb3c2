"""Where a call may go: base URLs in one strict spelling, and what each IP is. Pure."""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from core.errors import Invalid

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Reach = Literal["public", "local", "never"]

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd20:ce::254"),
    )
)
_EMBEDDING = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),
        ("::/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("64:ff9b::/96", 0),
        ("64:ff9b:1::/48", 0),
        ("2002::/16", 80),
    )
)
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = (0x5EFE, 0x0200_5EFE)


class RefusedAddress(Invalid):
    """The address is malformed or leads where no model may be."""


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL in its one spelling; `ip` when the host is written as one."""

    scheme: str
    host: str
    port: int
    path: str
    ip: Ip | None

    @property
    def url(self) -> str:
        """Canonical URL without a trailing slash; the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{host}{'' if usual else f':{self.port}'}{self.path}"


def parse_address(url: str) -> Address:
    """Read a base URL; raises RefusedAddress for every form that two parsers might read apart."""
    found = _URL.fullmatch(url.strip(" "))
    if found is None:
        raise _refused(url, "it is not a plain http:// or https:// address")
    scheme = found["scheme"].lower()
    port = int(found["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65_536:
        raise _refused(url, "the port must lie between 1 and 65535")
    if found["host"].startswith("["):
        ip = _read_ip(url, found["host"][1:-1])
        host = str(ip)
    else:
        host = found["host"].lower().removesuffix(".")
        ip = _read_ip(url, host) if _NUMBER.fullmatch(host.rpartition(".")[2]) else None
        if ip is None and not (
            len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split("."))
        ):
            raise _refused(url, "the host name is malformed")
    return Address(scheme, host, port, found["path"].rstrip("/"), ip)


def _read_ip(url: str, text: str) -> Ip:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise _refused(url, "the host is not a plain IP address") from None


def _refused(url: str, why: str) -> RefusedAddress:
    # What stands between // and @ is a password more often than not.
    shown = re.sub(r"//[^/]*@", "//***@", url)[:100]
    return RefusedAddress(
        f"The address {shown!r} cannot be used because {why}. Write it like "
        "https://api.openai.com/v1, without user name, query or fragment.",
        param="base_url",
    )


def reach(ip: Ip) -> Reach:
    """`public`, `local` (needs an entry of the allowlist) or `never`.

    An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4, Teredo, ISATAP) is at best local.
    """
    if ip in _METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return "never"
    if isinstance(ip, ipaddress.IPv4Address):
        if ip.is_reserved or int(ip) >> 24 == 0:
            return "never"
        return "public" if ip.is_global else "local"
    carried = list(_carried(ip)) if not ip.is_loopback else []
    if any(reach(inner) == "never" for inner in carried):
        return "never"
    return "public" if ip.is_global and not ip.is_site_local and not carried else "local"


def _carried(ip: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    number = int(ip)
    for network, shift in _EMBEDDING:
        if ip in network:
            yield ipaddress.IPv4Address(number >> shift & 0xFFFF_FFFF)
    if ip in _TEREDO:
        yield ipaddress.IPv4Address(~number & 0xFFFF_FFFF)
        yield ipaddress.IPv4Address(number >> 64 & 0xFFFF_FFFF)
    if (number >> 32 & 0xFFFF_FFFF) in _ISATAP:
        yield ipaddress.IPv4Address(number & 0xFFFF_FFFF)


def refusal(host: str, port: int, ip: Ip, *, local_allowed: bool) -> str | None:
    """Why this IP may not be connected to, as a sentence with its remedy; None when it may."""
    where = reach(ip)
    if where == "public" or (where == "local" and local_allowed):
        return None
    if where == "never":
        return (
            f"The address {host}:{port} leads to {ip}, where machines keep their own services "
            "(link-local, metadata, unspecified). Use the address of a model server."
        )
    return (
        f"The address {host}:{port} leads to {ip} in a private network, which is not allowed. "
        "Add the model with `promptstone model add` on this machine, or ask the administrator."
    )
