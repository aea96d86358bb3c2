"""Cases typed with the keyboard: a new data set, and the next version of it."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from core.database import Database
from core.settings import Settings
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from tests.support.browser import Server, settled

pytestmark = pytest.mark.browser
ROW = 35


def stored(server: Server, name: str) -> tuple[int, list[tuple[str, str | None]]]:
    """The newest version's number, and question and expected text of its cases."""
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    try:
        with database.read_scope() as session:
            version = datasets.get(session, name)
            cases = list(iter_cases(session, version.version_id))
            return version.version, [(str(c.inputs["question"]), c.expected) for c in cases]
    finally:
        database.close()


def picture(page: Page, name: str) -> None:
    """Keep a picture where PROMPTSTONE_SHOTS names a folder."""
    folder = os.environ.get("PROMPTSTONE_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def mark(page: Page, across: int, row: int) -> None:
    """Click a cell of the last grid, `across` pixels from its left; rows count from 0."""
    box = page.locator('[data-testid="stDataFrame"]').last.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + across, box["y"] + ROW * (row + 1) + ROW / 2)


def write(page: Page, text: str, then: str) -> None:
    """Type over the marked cell; Tab goes right, Enter goes down.

    The pauses are those of a hand: the grid opens its editor between the first two letters.
    """
    page.keyboard.type(text[0])
    page.wait_for_timeout(250)
    page.keyboard.type(text[1:], delay=40)
    page.wait_for_timeout(200)
    page.keyboard.press(then)
    page.wait_for_timeout(300)
    settled(page)


def test_cases_are_typed_then_typed_over(context: BrowserContext, server: Server):
    page = context.new_page()
    page.goto(server.sign_in)
    page.goto(f"{server.url}/datasets?do=table")
    page.get_by_role("dialog").get_by_text("question").first.wait_for(state="attached")
    settled(page)
    mark(page, 120, 0)
    write(page, "1+1?", "Tab")
    write(page, "2", "Enter")
    page.keyboard.press("ArrowLeft")
    write(page, "2+2?", "Tab")
    write(page, "4", "Enter")
    picture(page, "typed")
    name = page.get_by_role("textbox", name="Name")
    name.fill("sums")
    page.get_by_role("button", name="Save dataset").click()
    expect(page.get_by_role("heading", name="sums")).to_be_visible()
    assert stored(server, "sums") == (1, [("1+1?", "2"), ("2+2?", "4")])

    page.get_by_role("button", name="Edit cases").click()
    expect(page.get_by_role("button", name=re.compile("Review and save"))).to_be_disabled()
    settled(page)
    picture(page, "edit_open")
    mark(page, 300, 0)
    write(page, "1*1?", "Tab")
    write(page, "1", "Enter")
    expect(page.get_by_text("1 changed, 0 added, 0 removed")).to_be_visible()
    picture(page, "edited")
    page.reload()
    expect(page.get_by_text("1 changed, 0 added, 0 removed")).to_be_visible()
    page.get_by_role("button", name=re.compile("Review and save")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    settled(page)
    picture(page, "review")
    assert stored(server, "sums")[0] == 1
    page.get_by_role("button", name="Save version 2").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("version 2", exact=True)).to_be_visible()
    assert stored(server, "sums") == (2, [("1*1?", "1"), ("2+2?", "4")])
    page.close()
