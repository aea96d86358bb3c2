"""A real server on a fresh data folder, and real Chromium that may not leave it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    Request,
    sync_playwright,
)

from tests.support.serving import serving

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing outside is reached. Playwright's routing would do it too, but turns the cache off.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def chromium_path() -> str | None:
    """The system's Chromium, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Server:
    """A running `promptstone up`."""

    url: str
    sign_in: str
    data_dir: Path


@contextmanager
def running_server(data_dir: Path, **environment: str) -> Iterator[Server]:
    """`promptstone up` on a free port of 127.0.0.1."""
    with serving(data_dir, **environment) as up:
        yield Server(f"http://{up.host}", up.link, data_dir)


def launch(playwright: Playwright) -> Browser:
    """Headless Chromium of the system."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)


def signed_in(browser: Browser, server: Server, **options: object) -> BrowserContext:
    """A context whose cookie is good; requests to elsewhere are recorded."""
    context = browser.new_context(locale="en-US", timezone_id="Europe/Berlin", **options)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    strangers: list[str] = []
    context.strangers = strangers  # type: ignore[attr-defined]

    def watch(request: Request) -> None:
        kept_back = request.failure == "csp"  # by the page's own policy, before it was sent
        if not kept_back and not request.url.startswith((server.url, "data:", "blob:")):
            strangers.append(request.url)

    context.on("requestfinished", watch)
    context.on("requestfailed", watch)
    return context


@contextmanager
def workspace(folder: Path, *, height: int = 860) -> Iterator[tuple[BrowserContext, str]]:
    """A served data folder and a signed-in browser that asks nobody else; the server's address."""
    with running_server(folder) as server, sync_playwright() as playwright:
        browser = launch(playwright)
        context = signed_in(browser, server, viewport={"width": 1280, "height": height})
        page = context.new_page()
        page.goto(server.sign_in)
        page.wait_for_selector("h1")
        page.close()
        yield context, server.url
        assert context.strangers == []  # type: ignore[attr-defined]
        browser.close()


# Asked by the page at each frame: what Playwright asks from outside waits up to half a second.
_SETTLED = """() => window.promptstoneKeys?.installed &&
  document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]')"""
_STILL = """() => {
  const count = performance.getEntriesByType("resource").length + document.all.length
  if (count !== window.lastCount) [window.lastCount, window.countedAt] = [count, performance.now()]
  return performance.now() - window.countedAt > 250 &&
    !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]') &&
    document.getAnimations().every((one) => one.playState !== "running")
}"""


def settled(page: Page) -> None:
    """Wait until the script has run and the keys of the workspace are heard."""
    page.wait_for_function(_SETTLED)


def at_rest(page: Page) -> None:
    """Wait until nothing comes, moves or fades any more: for what measures a page."""
    settled(page)
    page.evaluate("window.lastCount = -1, document.fonts.ready")
    page.wait_for_function(_STILL)
    settled(page)
