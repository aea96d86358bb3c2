"""What the playground adds to the time to the first token, in real Chromium, four columns at once.

    python -m benchmarks.playground [--rounds 15] [--columns 4] [--first 300]

From the click on "Run all" to the moment a column's text is in the page, against the same calls made
directly by aiohttp, as many at once: rounds in turn, the first of each left out. The provider's first
token comes after `--first` ms, during which the page gets ready for it; with one that answers at once
(`--first 0`) what is told is the whole way of a click through the page.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import orjson
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import at_most, header
from benchmarks.processes import ROOT
from connectors.models import ModelSettings
from connectors.service import add_model, ensure_builtin
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from prompts import scenes, service
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.scene import column, of_columns
from tests.support.browser import launch, running_server, settled, signed_in

MOST_ADDED = 30.0
TEXT = "Write a headline about {{ topic }}."
WATCH = """(columns) => {
  const boxes = (root, found = []) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.classList.contains('output')) found.push(node)
      if (node.shadowRoot) boxes(node.shadowRoot, found)
    }
    return found
  }
  const there = boxes(document)
  const known = new Set(there.map((box) => box.textContent.split(' ')[0]))
  const at = window.arrived = []
  let started = Infinity
  for (const box of there) {
    const observer = new MutationObserver(() => {
      const word = box.textContent.split(' ')[0]
      if (!word.startsWith('answer') || known.has(word)) return
      const [, asked, said] = word.split('/').map(Number)
      const now = performance.timeOrigin + performance.now()
      at.push([now - started, asked - started, now - said])
      observer.disconnect()
    })
    observer.observe(box, { childList: true, characterData: true, subtree: true })
  }
  // Looking for the boxes takes milliseconds, so the click itself only reads the clock.
  document.querySelector('.st-key-scene_run button').addEventListener('click', () => {
    started = performance.timeOrigin + performance.now()
  }, { capture: true, once: true })
}"""


@contextmanager
def upstream() -> Iterator[int]:
    """The provider in a process of its own; its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.playground_upstream"], cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


def prepared(folder: Path, port: int, model: str, columns: int) -> str:
    """A database with a scene of so many columns; its id."""
    database = Database(Settings(data_dir=folder, database_url=None))
    migrate(database)
    with database.session_scope("user:admin") as session:
        ensure_builtin(session)
        settings = ModelSettings(base_url=f"http://127.0.0.1:{port}/v1", model=model)
        add_model(session, "model", settings, allow_local=True)
        content = PromptContent(
            messages=(MessageTemplate(role="user", content=TEXT),),
            inputs=(Variable(name="topic", example="the weather"),),
        )
        service.push(session, "headline", content)
        one = column(content, prompt="headline", version=1, model="model")
        scene = scenes.create(session, of_columns([one] * columns)).id
    database.close()
    return scene


class Shown(NamedTuple):
    """Milliseconds from a click to a column's first word, and of those: to the model, and back."""

    whole: float
    there: float
    back: float


def in_page(page: Page, columns: int) -> list[Shown]:
    """The times of one click, a column each."""
    button = page.locator(".st-key-scene_run button")
    page.wait_for_function("!document.querySelector('.st-key-scene_run button').disabled")
    settled(page)
    page.wait_for_timeout(300)
    page.evaluate(WATCH, columns)
    button.click()
    page.wait_for_function("(columns) => window.arrived.length === columns", arg=columns)
    return [Shown(*one) for one in page.evaluate("window.arrived")]


async def direct(port: int, model: str, calls: int) -> list[float]:
    """Milliseconds from sending to the first word, of calls made at once on open connections."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": TEXT.replace("{{ topic }}", "the weather")}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    async with aiohttp.ClientSession() as session:

        async def one() -> float:
            started = time.perf_counter()
            first = 0.0
            async with session.post(url, data=orjson.dumps(body)) as answer:
                async for line in answer.content:
                    if not first and b"answer" in line:
                        first = (time.perf_counter() - started) * 1000
            return first

        return list(await asyncio.gather(*(one() for _ in range(calls))))


def measured(rounds: int, columns: int, first: int) -> tuple[list[Shown], list[float]]:
    """Times in the page and direct ones."""
    model = f"first-{first}"
    shown: list[Shown] = []
    asked: list[float] = []
    with upstream() as port, tempfile.TemporaryDirectory() as folder:
        scene = prepared(Path(folder), port, model, columns)
        with running_server(Path(folder)) as server, sync_playwright() as playwright:
            browser = launch(playwright)
            page = signed_in(browser, server, viewport={"width": 1280, "height": 900}).new_page()
            page.goto(server.sign_in)
            page.wait_for_selector("h1")
            page.goto(f"{server.url}/playground?scene={scene}")
            page.wait_for_selector(".st-key-scene_run button")
            with ThreadPoolExecutor(1) as elsewhere:  # Playwright holds this thread's loop
                page.locator(".st-key-scene_run button").click()
                page.wait_for_selector(".st-key-scene_stop button[disabled]")
                for number in range(rounds + 1):
                    one = in_page(page, columns)
                    other = elsewhere.submit(asyncio.run, direct(port, model, columns)).result()
                    if number:
                        shown += one
                        asked += other
            browser.close()
    return shown, asked


def told(name: str, values: list[float]) -> float:
    cuts = statistics.quantiles(values, n=20)
    print(f"  {name:14} p50 {statistics.median(values):7.1f} ms   p95 {cuts[-1]:7.1f} ms")
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--first", type=int, default=300, help="the provider's own time, ms")
    given = parser.parse_args()
    header("streamlit", "aiohttp", "playwright")
    shown, asked = measured(given.rounds, given.columns, given.first)
    print(
        f"{given.columns} columns, {given.rounds} rounds, first token after {given.first} ms "
        f"(load {os.getloadavg()[0]:.2f})"
    )
    added = told("in the page", [one.whole for one in shown]) - told("direct", asked)
    told("click to model", [one.there for one in shown])
    told("word to page", [one.back for one in shown])
    at_most("time to first token added, p50", added, MOST_ADDED, " ms")


if __name__ == "__main__":
    main()
