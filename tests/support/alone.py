"""Run in a network namespace of its own: start a server, use it, count packets without a route."""

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.forked import forking
from tests.support.serving import serving

EXAMPLES = Path(__file__).parents[2] / "examples"


def _unroutable() -> int:
    """Packets that had nowhere to go, by the kernel's own count."""
    heads, values = (
        line.split()[1:]
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith("Ip:")
    )
    return int(dict(zip(heads, values, strict=True))["OutNoRoutes"])


def _flows(data: Path) -> list[str]:
    """Every step of the first trip as commands, beside the server; what failed."""
    steps = (
        ("prompt", "push", str(EXAMPLES / "news-1.prompty"), "--name", "news"),
        ("prompt", "show", "news", "--json"),
        ("dataset", "grid", "cases", "--axis", "topic=a,b", "--axis", "audience=c",
         "--axis", "style=d"),
        ("run", "start", "--prompt", "news", "--model", "echo", "--dataset", "cases", "--wait",
         "--evaluator", "length", "--json"),
        ("run", "import", "made", str(EXAMPLES / "news-labeled-run.jsonl"), "--json"),
        ("model", "test", "echo"),
        ("model", "list", "--json"),
        ("doctor",),
        ("backup", str(data.parent / "backup.zip")),
    )  # fmt: skip
    failed = []
    command = forking().run  # a fork of a process that was started within this network
    for step in steps:
        done = command(data, *step)
        if done.returncode:
            failed.append(f"{' '.join(step)}: {done.stderr}")
        if step[1:2] == ("import",):
            run = json.loads(done.stdout)["id"]
            labels = command(data, "label", "import", run, str(EXAMPLES / "news-labels.jsonl"))
            verdict = command(data, "verdict", run, "--json")
            export = command(data, "run", "export", run, "--format", "html")
            failed += [one.stderr for one in (labels, verdict, export) if one.returncode]
    return failed


def main(data: Path) -> None:
    """Print what was sent outside by a server's life, and by a control that tries to."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    before = _unroutable()
    with serving(data) as up:
        up.sign_in()
        status = up.ask("/", accept="text/html").status
        up.ask("/metrics")
        failed = _flows(data)
    sent = _unroutable() - before
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    control = _unroutable() - before - sent
    print(json.dumps({"status": status, "sent": sent, "control": control, "failed": failed}))


main(Path(sys.argv[1]))
