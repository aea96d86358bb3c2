"""The socket that a server listens on, bound before anything else is started."""

import errno
import socket

from core.errors import Unavailable

_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; raises Unavailable with the remedy. Port 0 takes a free one."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind)
    except OSError as error:
        raise Unavailable(f"The address {host} is unknown here. Choose another --host.") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise Unavailable(_why(host, port, error)) from error
    return bound


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is used by another program. Choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights. Choose one above 1023 with --port."
    return f"The server cannot listen on {host}, port {port}: {error.strerror}. Choose another."


def url_of(host: str, port: int) -> str:
    """The address a browser on this machine opens."""
    name = _WILDCARD.get(host, f"[{host}]" if ":" in host and host[0] != "[" else host)
    return f"http://{name}:{port}"
