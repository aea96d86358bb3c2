"""From the winning arm to a called endpoint and back, with the pointer, and axe on every tab."""

import json

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.axe import in_schemes, source
from tests.support.browser import Server, at_rest
from tests.support.forked import forking
from tests.support.serving import ask

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(context: BrowserContext, server: Server) -> Page:
    """The verdict of the example's labeled run."""
    page = context.new_page()
    page.goto(server.sign_in)
    page.get_by_role("button", name="Load the example").click()
    expect(page.get_by_role("heading", name="news", exact=True)).to_be_visible()
    listed = json.loads(forking().run(server.data_dir, "run", "list", "--json").stdout)
    page.goto(f"{server.url}/runs?id={listed['runs'][0]['id']}&tab=verdict")
    return page


class Hand:
    """Clicks, counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    def click(self, what: Locator | str) -> None:
        found = self.page.get_by_role("button", name=what, exact=True).last if isinstance(
            what, str
        ) else what  # fmt: skip
        found.click()
        self.clicks += 1


def test_from_the_verdict_to_a_called_endpoint_and_back(page: Page, server: Server) -> None:
    hand = Hand(page)
    hand.click(page.get_by_role("button", name="Make an app of this arm").first)
    hand.click("Create and release")
    hand.click(page.locator(".st-key-try_run button"))
    expect(page.get_by_text("news@1 · demo ·")).to_be_visible(timeout=30_000)
    hand.click("Promote…")
    hand.click("Promote release 1")
    expect(page.get_by_text("production → news@1").first).to_be_visible()
    page.get_by_text("Code", exact=True).click()
    hand.click("New key…")
    page.get_by_role("textbox", name="Name").fill("web")
    hand.click("Create key")
    token = page.locator("code", has_text="ps_").inner_text()
    assert hand.clicks == 7
    _called(server, token)
    page.reload()
    at_rest(page)
    assert token not in page.content()
    _back(page, server, hand)


def _called(server: Server, token: str) -> None:
    inputs = {"topic": "rain", "audience": "children", "style": "calm"}
    body = json.dumps({"model": "news", "messages": [], "inputs": inputs}).encode()
    port = int(server.url.rpartition(":")[2])
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    answer = ask(port, "/v1/chat/completions", "POST", body, headers)
    assert answer.status == 200, answer
    assert json.loads(answer.body)["model"] == "news@1"


def _back(page: Page, server: Server, hand: Hand) -> None:
    settings = server.data_dir / "settings.yaml"
    settings.write_text("guards: [{kind: pii}]\n")
    for arguments in (
        ("set", "news", "--settings", str(settings)), ("release", "news"),
        ("promote", "news@2", "production"),
    ):  # fmt: skip
        assert forking().run(server.data_dir, "app", *arguments).returncode == 0
    page.goto(f"{server.url}/apps?id=news")
    before = hand.clicks
    hand.click("Roll back to 1")
    expect(page.get_by_text("production goes back to release 1, from 2.")).to_be_visible()
    hand.click(page.get_by_role("dialog").get_by_role("button", name="Roll back to 1", exact=True))
    expect(page.get_by_text("production → news@1").first).to_be_visible()
    assert hand.clicks - before == 2


def test_no_tab_has_a_serious_finding(page: Page, server: Server) -> None:
    axe, found = source(), {}
    tabs = (f"?id=news&tab={tab}" for tab in _TABS)
    for number, query in enumerate(("", "?id=news", *tabs, "?id=news&do=promote")):
        page.goto(f"{server.url}/apps{query}")
        if problems := in_schemes(page, axe, number):
            found[query] = problems
    assert found == {}


_TABS = ("try", "releases", "guards", "alerts", "code")
