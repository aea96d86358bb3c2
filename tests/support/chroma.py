"""Chroma's own server, as `chroma run` starts it, and vectors to put into Chroma."""

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

COUNT = 1500
WIDTH = 32


def unit(seed: int, count: int) -> np.ndarray:
    """`count` vectors of length one; the same for a seed."""
    found = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


MATRIX = unit(1, COUNT)
IDS = [f"chunk{number}" for number in range(COUNT)]


class ChromaServer:
    """A server on a folder and a port of its own; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Come back when it answers."""
        program = Path(sys.executable).with_name("chroma")
        place = ["--host", "127.0.0.1", "--port", str(self._port), "--path", str(self._folder)]
        self._child = subprocess.Popen(
            [program, "run", *place],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NO_COLOR": "1"},
        )
        ends = time.monotonic() + 60
        while not self._answers():
            assert self._child.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)

    def kill(self) -> None:
        """As a crash would."""
        self._child.kill()
        self._child.wait()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/api/v2/heartbeat")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
