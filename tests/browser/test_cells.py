"""From a cell: mark it by a key, keep it as a case, open its prompt with its inputs."""

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from app import example
from core.database import Database
from core.settings import Settings
from core.workspace_settings import set_setting
from evalsets.datasets import service as datasets
from tests.support.browser import Server, settled

pytestmark = pytest.mark.browser


def test_mark_keep_and_open(context: BrowserContext, server: Server):
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    example.load(database, "user:admin")
    with database.read_scope() as session:
        run = example.known_run(session)
    page = context.new_page()
    page.goto(server.sign_in)
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible(timeout=30_000)
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
