"""Run in a network namespace of its own: start a server, use it, count packets without a route."""

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.serving import serving


def _unroutable() -> int:
    """Packets that had nowhere to go, by the kernel's own count."""
    heads, values = (
        line.split()[1:]
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith("Ip:")
    )
    return int(dict(zip(heads, values, strict=True))["OutNoRoutes"])


def main(data: Path) -> None:
    """Print what was sent outside by a server's life, and by a control that tries to."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    before = _unroutable()
    with serving(data) as up:
        up.sign_in()
        status = up.ask("/", accept="text/html").status
        up.ask("/metrics")
    sent = _unroutable() - before
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    control = _unroutable() - before - sent
    print(json.dumps({"status": status, "sent": sent, "control": control}))


main(Path(sys.argv[1]))
