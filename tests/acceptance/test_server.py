"""Commands beside a running server: who owns a run, what a kill leaves, what stops how."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import add_model
from tests.support.forked import Forking
from tests.support.serving import Up, alive, serving, start
from tests.support.shell import Shell
from tests.support.witness import Witness

SLOW = ("--prompt", "ask", "--dataset", "cases", "--model", "slow", "--no-cache")


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, forking: Forking, provider: Witness
) -> Iterator[tuple[Shell, Up]]:
    data: Path = tmp_path_factory.mktemp("served")
    shell = Shell(data, forking, tmp_path_factory.mktemp("files"))
    shell("prompt", "push", shell.write("ask.txt", "About {{ topic }}"))
    rows = "".join(f"topic {n}\n" for n in range(12))
    shell("dataset", "push", "cases", shell.write("c.csv", "topic\n" + rows))
    prices = ("--input-price", 1, "--output-price", 2)
    add_model(shell, provider, "slow", "slow-700", "--concurrency", 3, *prices)
    with serving(data) as up:
        up.wait_ready()
        yield shell, up


def wait_for(shell: Shell, run: str, status: str, seconds: float = 30) -> dict[str, object]:
    deadline = time.monotonic() + seconds
    while (shown := shell.json("run", "show", run))["status"] != status:
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)
    return shown


def test_the_worker_takes_it_and_commands_steer_it(
    served: tuple[Shell, Up], provider: Witness
) -> None:
    shell, _ = served
    provider.reset()
    run = shell.json("run", "start", *SLOW)["id"]
    wait_for(shell, run, "running")
    time.sleep(0.5)
    shell("run", "pause", run)
    paused = shell.json("run", "show", run)
    assert (paused["status"], paused["reason"]) == ("paused", "command")
    # In flight is kept and counted, nothing new is sent.
    assert paused["calls"] == provider.counts().requests == paused["cells"]["succeeded"] < 12
    time.sleep(1)
    assert provider.counts().requests == paused["calls"]
    done = shell.json("run", "resume", run, "--wait")
    assert (done["status"], done["calls"], provider.counts().requests) == ("completed", 12, 12)


def test_cancelled_is_final(served: tuple[Shell, Up], provider: Witness) -> None:
    shell, _ = served
    run = shell.json("run", "start", *SLOW)["id"]
    wait_for(shell, run, "running")
    shell("run", "cancel", run)
    assert shell.json("run", "show", run)["status"] == "cancelled"
    for verb in ("resume", "retry", "pause"):
        shell.error("run", verb, run)


def test_a_second_server_names_the_first(served: tuple[Shell, Up]) -> None:
    shell, up = served
    assert f":{up.port}" in shell.error("up", "--port", 0)
    assert shell.json("user", "link", "admin")["url"].startswith(f"http://127.0.0.1:{up.port}/")


def test_a_killed_server_loses_nothing_and_tells_what_was_in_flight(
    served: tuple[Shell, Up], provider: Witness
) -> None:
    shell, up = served
    provider.reset()
    run = shell.json("run", "start", *SLOW)["id"]
    wait_for(shell, run, "running")
    time.sleep(1)
    children = up.children()
    up.stop(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while alive(children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(children)
    before = {c["cell"]: c["output"] for c in shell.cells(run) if c["output"] is not None}
    again = start(shell.data)
    try:
        shown = wait_for(shell, run, "completed")
        counted = provider.counts()
        assert shown["calls"] == counted.requests
        assert 0 <= counted.requests - 12 == shown["interrupted"] <= 3
        after = {c["cell"]: c["output"] for c in shell.cells(run)}
        assert before.items() <= after.items()
    finally:
        assert again.stop() == 0
        assert again.process.stdout is not None
        again.process.stdout.close()
