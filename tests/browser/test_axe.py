"""axe-core over every page: nothing serious, in light and dark."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.axe import findings, in_schemes, source
from tests.support.browser import Server, signed_in

pytestmark = pytest.mark.browser

PAGES = (
    *("/", "/prompts", "/datasets", "/runs", "/label", "/evaluators", "/models", "/settings"),
    *("/traces", "/review", "/backends", "/tuning", "/playground"),
)
OBJECTS = (
    "/prompts?id=news",
    "/prompts?id=news&tab=history",
    "/datasets?id=news-grid",
    "/models?id=demo",
)


@pytest.fixture(scope="module")
def axe() -> str:
    return source()


def test_no_page_has_a_serious_finding(
    browser: Browser, server: Server, axe: str, request: pytest.FixtureRequest
) -> None:
    page = request.getfixturevalue("signed_in_page")
    found: dict[str, dict[str, list[str]]] = {}
    for number, path in enumerate((*PAGES, *OBJECTS)):
        page.goto(server.url + path)
        expect(page.get_by_role("heading", level=1).first).to_be_visible()
        if problems := in_schemes(page, axe, number):
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
