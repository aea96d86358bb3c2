"""The balancer of the deployment in front of loopback ports, where nginx is installed."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"


def program() -> str | None:
    """Where nginx is, if it is here."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def config(folder: Path, listen: int, own: int, ui: Sequence[int], api: Sequence[int]) -> str:
    """deploy/nginx.conf with ports in place of what Docker's name server would tell."""
    text = CONFIG.read_text()
    for name, ports in (("ui", ui), ("api", api)):
        servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
        text, count = re.subn(rf"server {name}:8501 [^;]*;", servers, text)
        assert count == 1
    text = text.replace("cookie_promptstone_8501", f"cookie_promptstone_{ui[0]}")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{listen}")
    text = text.replace("listen 127.0.0.1:8081", f"listen 127.0.0.1:{own}")
    return text.replace("/tmp/", f"{folder}/").replace("/dev/stdout", f"{folder}/access.log")


@contextmanager
def balanced(folder: Path, ui: Sequence[int], api: Sequence[int]) -> Iterator[int]:
    """The port of a running balancer."""
    found = program()
    assert found is not None
    listen, own = _free(), _free()
    file = folder / "nginx.conf"
    file.write_text(config(folder, listen, own, ui, api))
    # Its workers would leave root, and with it the folders of the tests.
    more = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
    process = subprocess.Popen([found, "-p", str(folder), "-c", str(file), "-g", more])
    try:
        deadline = time.monotonic() + 10
        while not _listens(listen):
            assert process.poll() is None, "nginx refused its configuration"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield listen
    finally:
        process.terminate()
        process.wait(10)


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
