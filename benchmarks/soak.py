"""Minutes of mixed load on one `promptstone up`: what grows, what fails, what gets slower.

    python -m benchmarks.soak [--minutes 8] [--rate 20] [--streams 50]

Calls in an open loop, streams of 60 tokens in a closed one, a batch run of ten calls a second and
an ingest, all at once. Memory is that of the server and of its worker, each without the processes
that an ingest has of its own; the first two minutes fill caches and are left out.
"""

import argparse
import csv
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import at_most, header
from benchmarks.gateway import upstream
from benchmarks.gateway_load import Load, Loaded, load
from benchmarks.gateway_ours import Promptstone
from benchmarks.gateway_peers import end_in_order
from benchmarks.processes import ROOT, descendants

WARM_SECONDS = 120.0
WINDOW_SECONDS = 20.0
DOCUMENTS = 150
BATCH_RATE = 10


class Sample(NamedTuple):
    """One look: seconds since the start, MiB, open file handles."""

    at: float
    memory: float
    handles: int


class Watched:
    """One process, looked at every two seconds."""

    def __init__(self, name: str, pid: int) -> None:
        self.name, self.pid = name, pid
        self.samples: list[Sample] = []

    def look(self, at: float) -> None:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        handles = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        self.samples.append(Sample(at, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, handles))

    def report(self, warm: float) -> None:
        kept = [sample for sample in self.samples if sample.at >= warm]
        slope = slope_of([(sample.at / 60, sample.memory) for sample in kept])
        handles = [sample.handles for sample in kept]
        half = len(handles) // 2
        print(f"{self.name}: {kept[0].memory:.1f} to {kept[-1].memory:.1f} MiB, "
              f"{min(handles)} to {max(handles)} handles")  # fmt: skip
        at_most(f"{self.name}: memory a minute", slope, 1.0, " MiB")
        grown = statistics.median(handles[half:]) - statistics.median(handles[:half])
        at_most(f"{self.name}: more handles in the second half", grown, 2)


def slope_of(points: Sequence[tuple[float, float]]) -> float:
    """The median slope between all pairs (Theil-Sen): a single jump is no trend."""
    pairs = itertools.combinations(points[:: max(1, len(points) // 200)], 2)
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


def windows(make: Callable[[], Load], until: float) -> list[Loaded]:
    """One load after another until a moment."""
    found: list[Loaded] = []
    while time.monotonic() < until:
        found.append(load(make()))
    return found


def drift(who: str, found: Sequence[Loaded], warm: float) -> float:
    """How much later the 99th percentile of the last third is than that of the first, in percent."""
    kept = [one.p99 for one in found[int(warm / WINDOW_SECONDS) :]]
    third = max(1, len(kept) // 3)
    print(f"p99 of {who} by window: " + ", ".join(f"{p99:.1f}" for p99 in kept) + " ms")
    return (statistics.median(kept[-third:]) / statistics.median(kept[:third]) - 1) * 100


def command(data: Path, *arguments: str) -> None:
    """One command of ours on the data folder."""
    whole = [sys.executable, "-m", "app.cli.main", "--data-dir", str(data), *arguments]
    subprocess.run(whole, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def begin_work(subject: Promptstone, port: int, seconds: float) -> None:
    """A batch run that lasts as long as the load, and an ingest."""
    data = subject.folder / "data"
    cases, docs = subject.folder / "cases.csv", subject.folder / "docs"
    with cases.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["topic"])
        writer.writerows([f"topic {number}"] for number in range(int(seconds * BATCH_RATE)))
    (subject.folder / "soak.txt").write_text("Tell me about {{ topic }}.")
    docs.mkdir()
    for number in range(DOCUMENTS):
        parts = [
            f"## Part {part} of {number}\n\n" + f"Figure {part * number} of topic {number}. " * 40
            for part in range(4)
        ]
        (docs / f"{number}.md").write_text(f"# Document {number}\n\n" + "\n\n".join(parts))
    at = f"http://127.0.0.1:{port}/v1"
    model = ["model", "add", "batch", "--base-url", at, "--model", "fast"]
    command(data, *model, "--rpm", str(60 * BATCH_RATE))
    command(data, "prompt", "push", str(subject.folder / "soak.txt"), "--name", "soak")
    command(data, "dataset", "push", "soak", str(cases))
    run = ["run", "start", "--prompt", "soak", "--model", "batch", "--dataset", "soak"]
    command(data, *run, "--no-cache")
    command(data, "kb", "create", "soak")
    command(data, "kb", "add", "soak", str(docs))


def soak(subject: Promptstone, port: int, minutes: float, rate: float, streams: int) -> None:
    seconds, warm = minutes * 60, min(WARM_SECONDS, minutes * 15)
    assert subject.pid is not None
    watched = [Watched("server", subject.pid)]
    # The worker is the first child; renderers and ingests come and go below.
    watched += [Watched("worker", pid) for pid in descendants(subject.pid)[:1]]
    begin_work(subject, port, seconds)
    began = time.monotonic()
    until = began + seconds
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(2):
            for process in watched:
                process.look(time.monotonic() - began)

    def whole() -> Load:
        return Load(subject.port, subject.headers(), subject.body("fast", stream=False),
                    rate=rate, seconds=WINDOW_SECONDS)  # fmt: skip

    def direct() -> Load:
        # What the machine itself did meanwhile.
        return Load(port, {}, subject.body("fast", stream=False), rate=rate,
                    seconds=WINDOW_SECONDS)  # fmt: skip

    def streamed() -> Load:
        return Load(subject.port, subject.headers(), subject.body("paced-10", stream=True),
                    clients=streams, seconds=WINDOW_SECONDS)  # fmt: skip

    looker = threading.Thread(target=look)
    looker.start()
    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(windows, make, until) for make in (whole, streamed, direct)]
        calls, streaming, control = (one.result() for one in loads)
    stop.set()
    looker.join()
    for process in watched:
        process.report(warm)
    for name, found in (("calls", calls), ("streams", streaming)):
        print(f"{sum(one.calls for one in found)} {name}")
        for why in {one.why for one in found if one.why}:
            print(f"  not 200 or not whole: {why[:200]!r}")
        at_most(f"{name}: answers that failed", sum(one.errors for one in found), 0)
    print(f"the model asked directly: later by {drift('direct', control, warm):.0f} %")
    late = drift("calls", calls, warm)
    at_most("calls: p99 of the last third beside the first, later by", late, 20, " %")


def main() -> None:
    parser = argparse.ArgumentParser(description="Minutes of mixed load on one server.")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--streams", type=int, default=50)
    options = parser.parse_args()
    end_in_order()
    header("aiohttp", "uvicorn", "sqlalchemy")
    subject = Promptstone()
    try:
        with upstream() as port:
            subject.start(port)
            soak(subject, port, options.minutes, options.rate, options.streams)
            print(f"load at the end: {os.getloadavg()[0]:.2f}")
    finally:
        subject.stop()


if __name__ == "__main__":
    main()
