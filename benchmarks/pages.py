"""How long each page takes to open with 100 prompts, 50 data sets and 50 runs.

    python -m benchmarks.pages [--rounds 5]

In real Chromium, by a deep link of a browser that was here before: from the navigation to the
moment the script has ended and nothing on the page is a placeholder any more. Rounds over all
pages in turn; the first is left out. Medians, because a machine is seldom idle.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import at_most, header
from benchmarks.matrix_data import opened
from connectors.service import ensure_builtin
from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from prompts import service as prompts
from prompts.content import MessageTemplate, PromptContent, Variable
from tests.support.browser import ARGUMENTS, chromium_path, running_server
from tests.support.runs_factory import make_run

PROMPTS, DATASETS, CASES, MOST = 100, 50, 200, 1000.0
READY = """() => document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]') &&
  window.promptstoneKeys?.installed && document.querySelector('h1') &&
  !document.querySelector('[data-testid="stSkeleton"], [data-stale="true"]')"""
"""Asked by the page at each frame: what asks from outside waits up to half a second in between."""


def filled(database: Database) -> dict[str, str]:
    """What the issue asks for, each data set with a run that has labels; page name to address."""
    with database.session_scope("user:admin") as session:
        ensure_builtin(session)
        for number in range(PROMPTS):
            for version in (1, 2):
                text = f"Answer {{{{ question }}}} in {version} sentences, manner {number}."
                content = PromptContent(
                    messages=(MessageTemplate(role="user", content=text),),
                    inputs=(Variable(name="question"),),
                    model="echo",
                )
                prompts.push(session, f"team{number % 5}/prompt-{number}", content)
    run = ""
    for number in range(DATASETS):
        with database.session_scope("user:admin") as session:
            arms = (f"ask{number}@1 | echo", f"ask{number}@2 | echo")
            run = make_run(session, cases=CASES, arms=arms, dataset=f"set-{number}", imported=True)
        with database.session_scope("user:ann") as session:
            for cell in range(100 if number == DATASETS - 1 else 4):
                item = item_of(session, run, cell)
                said = checked("good" if cell % 3 else "bad")
                save_label(session, item, said, Press("import"))
    return _addresses(run)


def _addresses(run: str) -> dict[str, str]:
    lists = (
        *("prompts", "playground", "datasets", "knowledge", "runs", "label", "evaluators", "apps"),
        *("traces", "review", "keys", "models", "backends", "tuning", "settings"),
    )
    tabs = ("overview", "cases", "verdict", "compare", "settings")
    found = {"home": "/"} | {name: f"/{name}" for name in lists}
    found |= {f"run: {tab}": f"/runs?id={run}&tab={tab}" for tab in tabs}
    found["prompt"] = "/prompts?id=team1/prompt-1"
    found["prompt: history"] = "/prompts?id=team1/prompt-1&tab=history"
    found["dataset"] = f"/datasets?id=set-{DATASETS - 1}"
    return found


def opening(page: Page, url: str) -> float:
    """Milliseconds until the page stands."""
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(READY)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    header("streamlit", "playwright")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        database = opened(Path(folder))
        addresses = filled(database)
        database.close()
        took: dict[str, list[float]] = {name: [] for name in addresses}
        with running_server(Path(folder)) as server, sync_playwright() as playwright:
            # A profile on disk keeps compiled scripts, as everybody's browser does.
            browser = playwright.chromium.launch_persistent_context(
                Path(profile), executable_path=chromium_path(), args=ARGUMENTS
            )
            page = browser.new_page()
            page.goto(server.sign_in)
            page.wait_for_selector("h1")
            print(f"load {os.getloadavg()[0]:.2f}", flush=True)
            for number in range(given.rounds + 1):
                for name, address in addresses.items():
                    one = opening(page, server.url + address)
                    if number:
                        took[name].append(one)
            browser.close()
    for name, values in sorted(took.items(), key=lambda one: -statistics.median(one[1])):
        median = statistics.median(values)
        print(f"  {name:16} {median:6.0f} ms ({min(values):.0f} to {max(values):.0f})")
    print(f"load {os.getloadavg()[0]:.2f}")
    slowest = max(took, key=lambda name: statistics.median(took[name]))
    at_most(f"slowest page ({slowest})", statistics.median(took[slowest]), MOST, " ms")


if __name__ == "__main__":
    main()
