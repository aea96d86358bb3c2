"""Make the pictures of the README: a fresh server, the example, headless Chromium."""

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.support.browser import Server, launch, running_server, settled, signed_in

IMAGES = Path(__file__).parent / "images"


def _keep(page: Page, name: str) -> None:
    settled(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # charts draw after the script has ended
    page.screenshot(path=IMAGES / f"{name}.png")


def _trip(page: Page, server: Server) -> None:
    page.goto(server.sign_in)
    page.get_by_role("button", name="Load the example").click()
    expect(page.get_by_role("heading", name="news", exact=True)).to_be_visible()
    settled(page)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(re.compile(r"tokens in, \d+ out"))).to_be_visible(timeout=60_000)
    _keep(page, "prompt")
    page.get_by_role("button", name=re.compile("Run over a dataset")).click()
    page.get_by_role("button", name=re.compile("Start run")).click()
    label = page.get_by_role("button", name=re.compile(r"Label \d+ outputs"))
    expect(label).to_be_visible(timeout=180_000)
    label.click()
    expect(page.get_by_text("0 / 24")).to_be_visible()
    _keep(page, "label")
    for done in range(10):
        page.wait_for_timeout(300)
        page.keyboard.press("1" if done % 2 else "2")
        expect(page.get_by_text(f"{done + 1} / 24")).to_be_visible()
    page.get_by_role("link", name="See the verdict").click()
    page.get_by_role("link", name=re.compile("See the example's labeled run")).click()
    expect(page.get_by_role("heading", name=re.compile("is better than"))).to_be_visible()
    _keep(page, "verdict")
    page.get_by_role("radio", name="Cases").click()
    _keep(page, "cases")


def main() -> None:
    """Write `docs/images/*.png`."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        running_server(Path(data)) as server,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        context = signed_in(browser, server, viewport={"width": 1280, "height": 860})
        _trip(context.new_page(), server)
        browser.close()


if __name__ == "__main__":
    main()
