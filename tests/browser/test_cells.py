"""From a cell: mark it by a key, keep it as a case, open its prompt with its inputs."""

import re

import pytest
from playwright.sync_api import BrowserContext, expect
from sqlmodel import col, select

from app import example
from core.database import Database
from core.settings import Settings
from core.workspace_settings import set_setting
from evalsets.datasets import service as datasets
from evalsets.models import Label
from tests.support.axe import findings, source
from tests.support.browser import Server, settled
from tests.support.runs_factory import make_run

pytestmark = pytest.mark.browser
HELD = """(cell, times) => {
  cell.focus()
  for (let n = 0; n < times; n++) {
    const told = { key: "ArrowDown", repeat: n > 0, bubbles: true, composed: true, cancelable: true }
    cell.getRootNode().activeElement.dispatchEvent(new KeyboardEvent("keydown", told))
  }
}"""
"""An arrow key, held: the first press and its repeats."""


@pytest.fixture(scope="module")
def inside(context: BrowserContext, server: Server) -> BrowserContext:
    """The browser, signed in."""
    page = context.new_page()
    page.goto(server.sign_in)
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible(timeout=30_000)
    page.close()
    return context


def test_mark_keep_and_open(inside: BrowserContext, server: Server):
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    example.load(database, "user:admin")
    with database.read_scope() as session:
        run = example.known_run(session)
    page = inside.new_page()
    page.goto(f"{server.url}/runs?id={run}&tab=cases&order=loss&base=news%402+%7C+demo")
    inspector = page.locator(".st-key-inspector")
    lost = inspector.get_by_text("news@1 | demo")  # the arm that lost
    expect(lost).to_be_visible(timeout=30_000)
    audience = inspector.get_by_text(re.compile("^(children|commuters|pensioners|families)$"))
    shown = audience.first.inner_text()
    settled(page)

    page.wait_for_timeout(1_500)  # a person reads the answer first
    page.keyboard.press("h")
    mark = page.locator(".st-key-cell_highlight")
    expect(mark).to_contain_text("Highlighted", timeout=30_000)
    page.get_by_role("radio", name="Highlighted").click()
    expect(inspector.get_by_text("news@1 | demo")).to_be_visible()

    page.get_by_role("button", name=re.compile("Add to dataset")).click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_label("Expected output (optional)").fill("A short and true sentence.")
    drawer.get_by_role("button", name="Save case").click()
    expect(drawer).to_be_hidden(timeout=30_000)
    with database.read_scope() as session:
        assert datasets.get(session, f"{example.RUN}-cases").cases == 1
    database.close()

    settled(page)
    page.get_by_role("button", name=re.compile("Open in playground")).click()
    expect(page).to_have_url(re.compile(r"/playground\?scene="), timeout=30_000)
    expect(page.get_by_role("textbox", name="audience")).to_have_value(shown)


def test_cells_open_by_a_press_and_by_arrows(inside: BrowserContext, server: Server):
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    with database.session_scope("user:admin") as session:
        run = make_run(session, cases=60, dataset="walked", arms=("a", "b"), imported=True)
    page = inside.new_page()
    page.goto(f"{server.url}/runs?id={run}&tab=cases")
    output = page.locator(".st-key-cell_output .output")
    expect(output).to_have_text("answer 0 of arm 0, 1", timeout=30_000)
    settled(page)
    table = page.get_by_role("grid", name="Cases by arms with previews of their outputs")
    expect(table.get_by_role("columnheader")).to_have_text(["Case", "a", "b"])
    expect(table.get_by_role("row")).to_have_count(51)
    assert findings(page, source()) == []
    title = page.get_by_role("heading", level=1).element_handle()

    cell = table.get_by_role("gridcell")
    cell.nth(5).click()
    expect(output).to_have_text("answer 2 of arm 1, 1")
    expect(page).to_have_url(re.compile("sel=5"))
    page.keyboard.press("ArrowDown")
    expect(output).to_have_text("answer 3 of arm 1, 1")
    page.keyboard.press("ArrowLeft")
    expect(output).to_have_text("answer 3 of arm 0, 1")
    asked: list[str] = []
    page.on("framenavigated", lambda frame: asked.append(frame.url))
    cell.nth(6).evaluate(HELD, 20)
    expect(output).to_have_text("answer 23 of arm 0, 1")
    assert len({url for url in asked if "sel=" in url}) < 3, "it opens where the key stops"
    expect(table.locator("[aria-selected=true]")).to_have_text("answer 23 of arm 0, 1")
    assert title.evaluate("node => node.isConnected")

    settled(page)
    page.keyboard.press("2")
    expect(table.locator("[aria-selected=true]")).to_have_text("✗ answer 23 of arm 0, 1")
    page.keyboard.press("ArrowDown")  # the table was drawn anew and kept its place
    expect(output).to_have_text("answer 24 of arm 0, 1")
    with database.read_scope() as session:
        said = session.exec(select(Label.label).order_by(col(Label.id).desc())).first()
        assert said == "bad"
    page.keyboard.press("n")
    expect(cell.first).to_have_text("answer 50 of arm 0, 1")
    expect(output).to_have_text("answer 50 of arm 0, 1")
    database.close()
    page.close()


def test_a_judge_is_asked_and_its_answers_come_by_themselves(
    context: BrowserContext, server: Server
):
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    judge = {"kind": "judge", "name": "tone", "rubric": "Polite.", "model": "echo"}
    with database.session_scope("user:admin") as session:
        set_setting(session, "evaluators", {"tone": judge})
    database.close()
    page = context.new_page()
    page.goto(f"{server.url}/evaluators?id=tone")
    page.get_by_role("button", name=re.compile("Ask for 3 answers")).click()
    expect(page.get_by_text("These answers cost")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile("gave no verdict on the scale"))).to_have_count(3)
