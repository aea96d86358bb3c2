"""The whole trip of a newcomer in five minutes: 9 clicks and 11 keys (PAGES: flow 1)."""

import re
import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from core.database import Database
from core.settings import Settings
from prompts import service
from tests.support.browser import Server, settled

pytestmark = pytest.mark.browser


class Hand:
    """Counts what a person does."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0
        self.keys = 0

    def click(self, what: str, role: str = "button") -> None:
        self.page.get_by_role(role, name=re.compile(what)).first.click()  # type: ignore[arg-type]
        self.clicks += 1

    def key(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.keys += 1


def test_from_sign_in_to_a_promoted_winner(context: BrowserContext, server: Server):
    page = context.new_page()
    hand = Hand(page)
    page.goto(server.sign_in)
    hand.clicks += 1  # the link in the terminal

    hand.click("Load the example")
    expect(page.get_by_role("heading", name="news", exact=True)).to_be_visible()
    expect(page.get_by_role("textbox", name="Message 2, user")).to_contain_text("topic")

    expect(page.get_by_text("Run over a dataset")).to_be_visible()
    settled(page)
    hand.key("Control+Enter")
    answer = page.locator(".st-key-trial_answer .output")
    expect(answer).to_have_text(re.compile(r"\w{3,}"), timeout=60_000)
    expect(page.get_by_text("first token")).to_be_visible(timeout=60_000)

    hand.click("Run over a dataset")
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("24 calls for 24 cells")).to_be_visible()
    hand.click("Start run")
    expect(page.get_by_role("button", name=re.compile("Label 24 outputs"))).to_be_visible(
        timeout=120_000
    )
    hand.click("Label 24 outputs")
    expect(page.get_by_text("0 / 24")).to_be_visible()
    settled(page)
    for done in range(10):
        page.wait_for_timeout(300)  # nobody reads faster than a quarter of a second
        hand.key("1" if done % 2 else "2")
        expect(page.get_by_text(f"{done + 1} / 24")).to_be_visible()

    hand.click("See the verdict", "link")
    expect(page.get_by_text(re.compile("Too few labels: about 380 more decide"))).to_be_visible()
    hand.click("See the example's labeled run", "link")
    expect(
        page.get_by_role("heading", name=re.compile(r"news@2 \| demo is better than news@1"))
    ).to_be_visible()
    hand.click("Promote winner")
    hand.click("Promote news@2")
    expect(page.get_by_role("dialog")).to_be_hidden()

    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with database.read_scope() as session:
            move = service.alias_moves(session, "news", "production")[0]
        if move.to_version == 2:
            break
    database.close()
    assert (move.from_version, move.to_version, move.actor) == (1, 2, "user:admin")
    assert move.evidence is not None
    assert move.evidence["comparisons"][0]["verdict"] == "candidate better"
    assert (hand.clicks, hand.keys) == (9, 11)
