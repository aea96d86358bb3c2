"""axe-core over every page: nothing serious, in light and dark."""

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Server, at_rest, signed_in

pytestmark = pytest.mark.browser

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
PAGES = ("/", "/prompts", "/datasets", "/runs", "/label", "/evaluators", "/models", "/settings")
OBJECTS = (
    "/prompts?id=news",
    "/prompts?id=news&tab=history",
    "/datasets?id=news-grid",
    "/models?id=demo",
)
# Streamlit's own sidebar navigation puts other elements into its lists.
KNOWN = {"list", "listitem"}


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, which `make test` installs where npm is."""
    if not AXE.exists() and not os.environ.get("CI"):
        pytest.skip("axe-core is missing: install npm and run `make test`")
    return AXE.read_text()


def findings(page: Page, axe: str) -> list[str]:
    """Serious and critical findings with the first element of each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical") and one["id"] not in KNOWN
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding(
    browser: Browser, server: Server, axe: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    page = request.getfixturevalue("signed_in_page")
    page.emulate_media(color_scheme=scheme)
    found: dict[str, list[str]] = {}
    for path in (*PAGES, *OBJECTS):
        page.goto(server.url + path)
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
        at_rest(page)
        if problems := findings(page, axe):
            found[path] = problems
    assert found == {}


def test_the_check_sees(browser: Browser, axe: str) -> None:
    page = browser.new_page()
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src=x><button></button>")
    assert {one.split(":")[0] for one in findings(page, axe)} >= {"image-alt", "button-name"}
    page.close()


@pytest.fixture(scope="module")
def signed_in_page(browser: Browser, server: Server) -> Page:
    """A page with the example loaded."""
    context = signed_in(browser, server, viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.goto(server.sign_in)
    page.get_by_role("button", name="Load the example").click()
    expect(page.get_by_role("heading", name="news", exact=True)).to_be_visible()
    return page
