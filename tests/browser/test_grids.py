"""Cases typed with the keyboard: a new data set, and the next version of it."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from core.clock import new_id
from core.database import Database
from core.settings import Settings
from evalsets.datasets import service as datasets
from evalsets.datasets.cases import iter_cases
from evalsets.datasets.edits import typed_cases
from tests.support.browser import Server, settled
from tests.support.depth import deep_only

pytestmark = pytest.mark.browser
ROW = 35
HAND = 60
"""Milliseconds between two keys of a quick hand."""
WITHOUT_KEYS = "window.promptstoneKeys = {fields: {}, installed: true}"


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
    # The grid takes the focus a frame later.
    page.wait_for_function("document.activeElement.closest('[data-testid=\"stDataFrame\"]')")


def write(page: Page, text: str, then: str) -> None:
    """Type over the marked cell and see it stand there; Tab goes right, Enter goes down."""
    page.keyboard.type(text, delay=HAND)
    expect(page.locator("#portal textarea")).to_have_value(text)
    page.keyboard.press(then)
    expect(page.locator("#portal textarea")).to_have_count(0)
    expect(cell(page, text).first).to_be_attached()
    settled(page)


def cell(page: Page, text: str) -> Locator:
    """The cells of a text, as the grid tells them to a reader of the screen."""
    return page.locator("[role=gridcell]", has_text=re.compile(f"^{re.escape(text)}$"))


def open_table(page: Page, server: Server, name: str) -> None:
    """The table over a data set's cases."""
    page.goto(f"{server.url}/datasets?id={name}&edit=1")
    expect(page.get_by_role("button", name=re.compile("Review and save"))).to_be_disabled()
    settled(page)


@pytest.fixture(scope="module")
def entered(context: BrowserContext, server: Server) -> BrowserContext:
    """The browser after its link was used."""
    page = context.new_page()
    page.goto(server.sign_in)
    page.wait_for_selector("h1")
    page.close()
    return context


def test_cases_are_typed_then_typed_over(entered: BrowserContext, server: Server):
    page = entered.new_page()
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


@pytest.fixture
def many(entered: BrowserContext, server: Server) -> str:
    """The name of a new data set of two pages."""
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    cases = typed_cases([{"question": f"number {number}"} for number in range(60)])
    name = f"many-{new_id().lower()}"
    with database.session_scope("user:admin") as session:
        datasets.push(session, name, cases)
    database.close()
    return name


@pytest.mark.parametrize("text", ["/ is a sign", "no"])
def test_what_is_typed_into_a_cell_is_no_shortcut(
    entered: BrowserContext, server: Server, many: str, text: str
):
    """`/` goes to anything, N and P turn the page: elsewhere."""
    page = entered.new_page()
    open_table(page, server, many)
    mark(page, 300, 0)
    write(page, text, "Enter")
    expect(page.get_by_text("1 changed, 0 added, 0 removed")).to_be_visible()
    assert "after=" not in page.url
    page.close()


@deep_only
@pytest.mark.parametrize("kept", [True, False])
def test_a_slow_line_loses_no_letter(
    entered: BrowserContext, browser: Browser, server: Server, many: str, kept: bool
):
    """The first letter has the field fetched; the others wait for it. Control: without our keys."""
    other = browser.new_context(storage_state=entered.storage_state())
    if not kept:
        other.add_init_script(WITHOUT_KEYS)
    page = other.new_page()
    line = other.new_cdp_session(page)
    line.send("Network.enable")
    slow = {"latency": 400, "downloadThroughput": -1, "uploadThroughput": -1, "offline": False}
    line.send("Network.emulateNetworkConditions", slow)
    open_table(page, server, many)
    mark(page, 300, 0)
    page.keyboard.type("typed at once", delay=HAND)
    field = page.locator("#portal textarea")
    expect(field).to_have_value(re.compile("once$"))
    assert (field.input_value() == "typed at once") is kept
    other.close()
