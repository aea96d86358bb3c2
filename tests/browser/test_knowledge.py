"""One trip through a knowledge base in a real browser, and documents that try to do something."""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from core.database import Database
from core.settings import Settings
from rag.documents import iter_documents
from rag.ingests import progress, recent
from rag.service import get
from tests.support.axe import in_schemes, source
from tests.support.browser import Server, at_rest, settled
from tests.support.depth import DEEP, deep_only

pytestmark = pytest.mark.browser

CATS = "# Cats\n\nCats sleep for most of the day.\n\n## Food\n\nA cat eats fish and meat.\n"
TRAINS = "# Trains\n\nThe night train to Vienna leaves at nine.\n"


class Bait:
    """A server that counts who comes."""

    def __init__(self) -> None:
        paths: list[str] = []
        self.paths = paths

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                paths.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the terminal."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def texts(self) -> dict[str, str]:
        """Documents that would fetch a picture if they were rendered."""
        return {
            "hostile.txt": f"cats eat fish ![z]({self.url}/z.png)\n<img src={self.url}/t.png>\n",
            "hostile.md": f"# Cats ![a]({self.url}/title.png)\n\n![x]({self.url}/md.png) eats "
            f"<img src={self.url}/html.png onerror=alert(1)> fish\n\n[b]({self.url}/link)\n",
            "hostile.html": f"<title><img src={self.url}/t.png></title><h1>Cats</h1><p>eat fish "
            f"&lt;img src={self.url}/entity.png&gt; ![y]({self.url}/md2.png)</p>"
            f"<img src={self.url}/real.png>",
        }


@pytest.fixture(scope="module")
def bait() -> Iterator[Bait]:
    found = Bait()
    yield found
    found.close()


@pytest.fixture(scope="module")
def trip(context: BrowserContext, server: Server) -> Page:
    """A signed-in page."""
    page = context.new_page()
    page.goto(server.sign_in)
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    return page


def add(page: Page, server: Server, files: dict[str, str], folder: Path) -> None:
    """Drop files and wait until they can be searched."""
    for name, text in files.items():
        (folder / name).write_text(text)
    page.locator('input[type="file"]').set_input_files([folder / name for name in files])
    page.get_by_role("button", name=f"Add documents ({len(files)})").click()
    deadline = time.monotonic() + 90
    while not files.keys() <= names(server):
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden(timeout=15_000)
    settled(page)


def names(server: Server) -> set[str]:
    """Names of the documents that the newest snapshot shows."""
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    with database.read_scope() as session:
        found = {row.name for row in iter_documents(session, "animals")}
    database.close()
    return found


def tab(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()
    settled(page)


def search(page: Page, query: str) -> None:
    box = page.get_by_role("searchbox", name="Query").or_(page.get_by_role("textbox", name="Query"))
    box.fill(query)
    box.press("Enter")
    expect(page.get_by_text(re.compile(r"Found \d+ · snapshot"))).to_be_visible(timeout=60_000)
    settled(page)


def test_from_an_empty_page_to_an_edit_that_is_found(trip: Page, server: Server, tmp_path: Path):
    page = trip
    page.goto(f"{server.url}/knowledge")
    page.get_by_role("button", name=re.compile("New base")).first.click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("textbox", name="Name").fill("animals")
    drawer.get_by_role("button", name="Create base").click()
    expect(page.get_by_role("heading", name="animals", exact=True)).to_be_visible(timeout=60_000)

    files = {"cats.md": CATS, "trains.md": TRAINS, "notes.txt": "Pay the rent on Monday.\n"}
    add(page, server, files, tmp_path)
    assert not [one for one in (server.data_dir / "uploads").rglob("*") if one.is_file()]

    tab(page, "Search")
    search(page, "what does a cat eat")
    hits = page.locator(".st-key-hits_a .block")
    expect(hits.first.locator(".head")).to_contain_text("cats.md")
    page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    expect(hits.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("1")
    expect(hits.first.locator(".head")).to_contain_text("✓")
    page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("2")
    expect(hits.nth(1).locator(".head")).to_contain_text("✗")

    hits.first.locator(".head").click()
    expect(hits.first).to_have_attribute("aria-selected", "true")
    expect(page.locator(".st-key-hit_actions")).to_contain_text("1 · cats.md")
    page.get_by_role("link", name="Open in the document").click()
    chunk = page.locator('.st-key-document_text .block[aria-selected="true"]')
    expect(chunk).to_contain_text("fish")
    page.get_by_role("button", name="Edit…").click()
    drawer.get_by_role("textbox", name="Text").fill("A cat drinks buttermilk from a saucer.")
    drawer.get_by_role("button", name="Save chunk").click()
    expect(drawer).to_be_hidden()
    expect(chunk).to_contain_text("buttermilk")

    tab(page, "Search")
    search(page, "buttermilk")
    expect(hits.first).to_contain_text("buttermilk")

    tab(page, "Quality")
    expect(page.get_by_text("Queries with a relevant passage: 1")).to_be_visible()
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text(re.compile("Queries: 1"))).to_be_visible(timeout=30_000)


@deep_only
def test_a_folder_keeps_its_paths_and_what_vanished_is_listed(
    trip: Page, server: Server, tmp_path: Path
):
    shelf = tmp_path / "shelf"
    (shelf / "in").mkdir(parents=True)
    (shelf / "a.md").write_text("# A\n\nApples are red.\n")
    (shelf / "in" / "b.md").write_text("# B\n\nBananas are yellow.\n")
    trip.goto(f"{server.url}/knowledge?id=animals&from=folder")
    settled(trip)
    for count, said in ((2, "Adding · completed · 2 documents"), (1, "1 unchanged")):
        trip.locator('input[type="file"]').set_input_files(shelf)
        trip.get_by_role("button", name=f"Add documents ({count})").click()
        expect(trip.get_by_text(said)).to_be_visible(timeout=60_000)
        settled(trip)
        (shelf / "in" / "b.md").unlink(missing_ok=True)
    trip.get_by_text("Files to look at: 1").click()
    database = Database(Settings(data_dir=server.data_dir, database_url=None))
    with database.read_scope() as session:
        newest = recent(session, get(session, "animals").id)[0]
        assert progress(session, newest).vanished == ("in/b.md",)
    database.close()
    assert {"a.md", "in/b.md"} <= names(server)


def test_no_tab_has_a_serious_finding(trip: Page, server: Server):
    axe = source()
    found: dict[str, dict[str, list[str]]] = {}
    queries = ("", "id=animals", "id=animals&tab=search&ask=cat", "id=animals&tab=quality",
               "id=animals&tab=settings", "id=animals&tab=snapshots")  # fmt: skip
    for number, query in enumerate(queries):
        trip.goto(f"{server.url}/knowledge?{query}")
        if problems := in_schemes(trip, axe, number):
            found[query] = problems
    assert found == {}


def test_documents_do_nothing(trip: Page, server: Server, bait: Bait, tmp_path: Path):
    page = trip
    alerts: list[str] = []

    def noted(dialog: Dialog) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", noted)
    page.goto(f"{server.url}/knowledge?id=animals")
    settled(page)
    add(page, server, bait.texts(), tmp_path)
    for query in (
        "id=animals&q=hostile",
        "id=animals&q=hostile&view=cleaning",
        "id=animals&q=hostile&do=edit",
        "id=animals&q=hostile&do=split",
        "id=animals&q=hostile&do=remove",
        "id=animals&tab=search&ask=cats+eat+fish+png",
        "id=animals&tab=search&ask=cats+eat+fish+png&two=1&b_mode=lexical",
        *(("id=animals&tab=snapshots", "id=animals&tab=quality") if DEEP else ()),
    ):
        page.goto(f"{server.url}/knowledge?{query}")
        at_rest(page)
        shown = page.evaluate("document.body.innerText.length")
        assert shown > 100, query
        if "view" not in query and "tab=" not in query and "do=" not in query:
            expect(page.locator(".st-key-document_text")).to_contain_text(bait.url)
        if "tab=search" in query:
            expect(page.locator(".st-key-hits_a")).to_contain_text("md.png")
    assert bait.paths == []
    assert alerts == []


def test_the_bait_is_taken_when_a_document_is_rendered(browser: Browser, bait: Bait):
    """Control: the same document as HTML does fetch its pictures."""
    page = browser.new_page()
    page.set_content(bait.texts()["hostile.md"])
    page.wait_for_load_state("networkidle")
    page.close()
    assert bait.paths != []
