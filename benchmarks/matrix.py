"""The matrix of a large run: a click to its answer in real Chromium, and pages on the server.

    python -m benchmarks.matrix [--cells 100000] [--rounds 6] [--largest 1000000]

In the page: from the press on a cell to the moment its whole answer is in the document, and the
bytes that came for it, against one `st.dataframe` of the same data (`matrix_plain`), six clicks
each in turn. On the server: fifty rows at random places with the cell that is open, at 10,000,
`--cells` and `--largest` cells.
"""

import argparse
import base64
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from playwright.sync_api import Page, ViewportSize, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.workspace.components.cells import output_of_arm, own_label
from benchmarks.figures import at_most, header
from benchmarks.matrix_data import make_run, opened
from benchmarks.processes import ROOT
from core.database import Database
from evalsets.labels.queue_plan import DEFAULT_PAIRS
from evalsets.labels.unlabeled import unlabeled_outputs
from evalsets.runs.cell_detail import cell_detail
from evalsets.runs.matrix import matrix_page
from evalsets.runs.service import get_run
from tests.support.browser import launch, running_server, settled, signed_in

CLICKS = 6
MOST_BYTES, MOST_SERVER, MOST_GROWTH, MOST_OF_PLAIN = 200.0, 100.0, 2.0, 0.3
WATCH = """(word) => {
  const said = (root) => [...root.querySelectorAll('*')].some((node) =>
    (node.shadowRoot && said(node.shadowRoot)) ||
    ((node.classList.contains('output') || node.dataset.testid === 'stText') &&
      node.textContent.startsWith(word)))
  window.took = null
  document.addEventListener('pointerdown', () => {
    const started = performance.now()
    const look = () => {
      if (said(document)) window.took = performance.now() - started
      else requestAnimationFrame(look)
    }
    look()
  }, { capture: true, once: true })
}"""


class Click(NamedTuple):
    """Milliseconds to the answer, and kilobytes that came over the connection for it."""

    took: float
    kilobytes: float


class Grid:
    """A page with the data in the first `table`; rows are 35 pixels high below a head."""

    def __init__(self, page: Page, table: str, columns: tuple[float, float]) -> None:
        self.page, self.table, self.columns, self.received = page, table, columns, 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameReceived", self._count)

    def _count(self, event: Any) -> None:
        frame = event["response"]
        data = frame["payloadData"]
        self.received += len(data if frame["opcode"] == 1 else base64.b64decode(data))

    def click(self, row: int, arm: int) -> Click:
        """Press a cell of the rows in sight."""
        self.page.evaluate(WATCH, f"answer {row} of {arm}.")
        self.received = 0
        box = self.page.locator(self.table).first.bounding_box()
        assert box is not None
        self.page.mouse.click(
            box["x"] + box["width"] * self.columns[arm], box["y"] + 35 * (row + 1) + 17
        )
        self.page.wait_for_function("window.took !== null")
        self.page.wait_for_timeout(400)
        return Click(self.page.evaluate("window.took"), self.received / 1000)


@contextmanager
def plain_page(file: Path, run: str) -> Iterator[str]:
    """The plain page on a free port; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "benchmarks/matrix_plain.py",
         "--server.headless=true", "--server.address=127.0.0.1", "--server.port=8599",
         "--browser.gatherUsageStats=false", "--", str(file), run],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = "http://127.0.0.1:8599"
    try:
        for _ in range(200):
            try:
                urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def in_browser(folder: Path, run: str, rounds: int) -> dict[str, list[Click]]:
    """Clicks of both pages in turn; the first of each is left out."""
    found: dict[str, list[Click]] = {"workspace": [], "plain": []}
    with (
        running_server(folder) as server,
        plain_page(folder / "promptstone.db", run) as plain,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        pages: dict[str, Grid] = {}
        size = ViewportSize(width=1400, height=1000)
        ours = signed_in(browser, server, viewport=size).new_page()
        ours.goto(server.sign_in)
        ours.wait_for_selector("h1")
        ours.goto(f"{server.url}/runs?id={run}&tab=cases")
        settled(ours)
        pages["workspace"] = Grid(ours, ".matrix", (0.3, 0.8))
        other = browser.new_context(viewport=size).new_page()
        other.goto(plain)
        other.wait_for_selector('[data-testid="stDataFrame"] canvas', timeout=120_000)
        pages["plain"] = Grid(other, "[data-testid=stDataFrame]", (0.35, 0.8))
        for page in (ours, other):
            page.wait_for_timeout(2000)
        places = [(row, arm) for row in range(1, 13) for arm in (0, 1)]
        random.Random(0).shuffle(places)
        for number in range(rounds):
            for name, grid in pages.items():
                grid.page.bring_to_front()
                for click in range(CLICKS):
                    told = grid.click(*places[(number * CLICKS + click) % len(places)])
                    if number or click:
                        found[name].append(told)
        browser.close()
    return found


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def on_server(database: Database, run: str, cells: int, times: int = 60) -> float:
    """p95 in milliseconds of what an interaction asks of the services, at random places."""
    chance = random.Random(1)

    def interaction() -> None:
        row = chance.randrange(cells // 2 - 60)
        with database.read_scope() as session:
            unlabeled_outputs(session, get_run(session, run), DEFAULT_PAIRS)
            page = matrix_page(session, run, after=row)
        cell = page.rows[0].cells[1]
        assert cell is not None
        cell_detail(database, run, cell.number)
        with database.read_scope() as session:
            own_label(session, run, cell.number, "admin")
            output_of_arm(session, get_run(session, run), cell.number, 0)

    took = [_timed(interaction) for _ in range(times + 5)][5:]
    print(f"  {cells:>9,} cells: p50 {statistics.median(took):.1f} ms, p95 {p95(took):.1f} ms")
    return p95(took)


def _timed(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--largest", type=int, default=1_000_000)
    given = parser.parse_args()
    header("streamlit", "pandas", "playwright", "sqlmodel")
    with tempfile.TemporaryDirectory() as folder:
        database = opened(Path(folder))
        runs = {n: make_run(database, n) for n in (10_000, given.cells, given.largest)}
        print(f"An interaction on the server (load {os.getloadavg()[0]:.2f})")
        took = {cells: on_server(database, run, cells) for cells, run in runs.items()}
        print(f"A click in Chromium, {given.cells:,} cells (load {os.getloadavg()[0]:.2f})")
        clicks = in_browser(Path(folder), runs[given.cells], given.rounds)
        database.close()
    for name, found in clicks.items():
        times = [one.took for one in found]
        most = max(one.kilobytes for one in found)
        print(
            f"  {name:10} p50 {statistics.median(times):7.1f} ms   p95 {p95(times):7.1f} ms   "
            f"at most {most:.1f} kB"
        )
    at_most("kilobytes an interaction", max(c.kilobytes for c in clicks["workspace"]), MOST_BYTES)
    at_most("server p95", took[given.cells], MOST_SERVER, " ms")
    at_most(f"{given.largest:,} over 10,000 cells", took[given.largest] / took[10_000], MOST_GROWTH)
    ratio = p95([c.took for c in clicks["workspace"]]) / p95([c.took for c in clicks["plain"]])
    at_most("click to visible over a plain page, p95", ratio, MOST_OF_PLAIN)


if __name__ == "__main__":
    main()
