"""Keys, typing, history: what a person's hands rely on (PAGES: rules of the engine)."""

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlmodel import select

from app import example
from connectors.service import ensure_builtin
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from evalsets.labels.queue_plan import create_queue
from evalsets.models import Label
from tests.support.browser import at_rest, settled, workspace
from tests.support.depth import DEEP
from tests.support.runs_factory import make_run

pytestmark = pytest.mark.browser


class Rig:
    """A served workspace with the example and three queues of 60 outputs."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(Settings(data_dir=folder, database_url=None))
        migrate(self.database)
        with self.database.session_scope("system") as session:
            ensure_builtin(session)
        example.load(self.database, "user:admin")
        self.queues = []
        with self.database.session_scope("user:admin") as session:
            for name in ("one", "two", "three"):
                run = make_run(session, cases=30, dataset=name, imported=True, arms=("a", "b"))
                self.queues.append(create_queue(session, run).id)

    def labels(self, queue: str) -> list[Label]:
        with self.database.read_scope() as session:
            query = select(Label).where(Label.queue_id == queue).order_by(Label.id)  # type: ignore[arg-type]
            return list(session.exec(query))


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Rig, BrowserContext, str]]:
    folder = tmp_path_factory.mktemp("hands")
    rig = Rig(folder)
    with workspace(folder) as (context, url):
        yield rig, context, url
    rig.database.close()


@pytest.fixture
def page(served: tuple[Rig, BrowserContext, str]) -> Iterator[Page]:
    page = served[1].new_page()
    yield page
    page.close()


def at(page: Page, url: str, path: str) -> None:
    page.goto(url + path)
    page.wait_for_selector("h1")
    settled(page)


def test_a_held_key_labels_one(served, page):
    rig, _, url = served
    queue = rig.queues[0]
    at(page, url, f"/label?queue={queue}")
    expect(page.get_by_text("0 / 60")).to_be_visible()
    page.wait_for_timeout(400)
    for _ in range(20):
        page.keyboard.down("1")  # from the second on these are repeats, as a held key sends them
        page.wait_for_timeout(30)
    page.keyboard.up("1")
    expect(page.get_by_text("1 / 60")).to_be_visible()
    page.wait_for_timeout(600)
    assert len(rig.labels(queue)) == 1


def test_two_quick_presses_label_one(served, page):
    rig, _, url = served
    queue = rig.queues[0]
    before = len(rig.labels(queue))
    at(page, url, f"/label?queue={queue}")
    page.wait_for_timeout(500)
    page.keyboard.press("2")
    page.keyboard.press("2")
    expect(page.get_by_text(f"{before + 1} / 60")).to_be_visible()
    page.wait_for_timeout(1000)
    assert len(rig.labels(queue)) == before + 1


def test_a_correction_by_keyboard_alone(served, page):
    rig, _, url = served
    queue = rig.queues[1]
    at(page, url, f"/label?queue={queue}")
    page.wait_for_timeout(500)
    page.keyboard.press("w")
    page.keyboard.type("1 better 2 text")  # digits in a field are letters
    expect(page.get_by_text("0 / 60")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("1 / 60")).to_be_visible()
    saved = rig.labels(queue)[0]
    assert (saved.label, saved.correction) == ("bad", "1 better 2 text")
    page.wait_for_timeout(500)
    page.keyboard.press("5")
    expect(page.locator(".st-key-label_reason_1").get_by_text("check_box")).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_text("2 / 60")).to_be_visible()
    assert rig.labels(queue)[1].reasons == ["incomplete"]
    assert not rig.labels(queue)[1].correction  # the text of one item is not the next one's
    page.wait_for_timeout(400)
    page.keyboard.press("u")
    expect(page.get_by_text("1 / 60")).to_be_visible()
    assert rig.labels(queue)[-1].label is None


def test_the_next_item_is_there_soon(served, page, capsys):
    rig, _, url = served
    queue = rig.queues[2]
    at(page, url, f"/label?queue={queue}")
    expect(page.get_by_text("0 / 60")).to_be_visible()
    times = []
    presses = 60 if DEEP else 10
    for done in range(1, presses + 1):
        page.wait_for_timeout(280)
        begun = time.perf_counter()
        page.keyboard.press("1")
        page.get_by_text(f"{done} / 60").wait_for()
        times.append((time.perf_counter() - begun) * 1000)
    times.sort()
    with capsys.disabled():
        print(
            f"\nkey to next item: p50 {statistics.median(times):.0f} ms, p95 {times[-(presses // 20) - 1]:.0f} ms"
        )
    assert len(rig.labels(queue)) == presses


def test_typing_is_not_lost_while_an_answer_streams(served, page):
    _, _, url = served
    at(page, url, "/prompts?id=news")
    expect(page.locator(".cm-content")).to_have_count(2)
    field = page.get_by_role("textbox", name="Message 2, user")
    expect(page.get_by_text("Run over a dataset")).to_be_visible()
    field.click()
    field.press("Control+End")
    page.keyboard.press("Control+Enter")
    typed = " And say it in a way that everybody understands, please mind the tone."
    page.keyboard.type(typed, delay=25)
    answer = page.locator(".st-key-trial_answer .output")
    expect(answer).to_have_text(re.compile(r"\w{3,}"), timeout=60_000)
    expect(page.get_by_text("first token")).to_be_visible(timeout=60_000)
    expect(field).to_have_text(re.compile(re.escape(typed) + "$"))
    page.wait_for_timeout(1200)
    page.reload()
    page.wait_for_selector("h1")
    expect(page.get_by_role("textbox", name="Message 2, user")).to_have_text(
        re.compile(re.escape(typed) + "$")
    )
    expect(page.locator(".st-key-trial_answer .output")).to_have_text(re.compile(r"\w{3,}"))


def test_variables_stand_there_while_one_types(served, page):
    _, _, url = served
    at(page, url, "/prompts?id=news")
    expect(page.locator(".cm-content")).to_have_count(2)
    field = page.get_by_role("textbox", name="Message 1, system")
    field.click()
    field.press("Control+End")
    page.keyboard.type(" Mind the {{ season }}.")
    expect(page.get_by_role("textbox", name="season")).to_be_visible(timeout=3_000)
    assert field.evaluate("node => node.getRootNode().activeElement === node")


def test_escape_leaves_a_field_and_slash_goes_to_anything(served, page):
    _, _, url = served
    at(page, url, "/prompts")
    expect(page.get_by_role("combobox", name="Go to")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("Mod")
    expect(page.get_by_role("option", name="Models")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    at(page, url, "/prompts")
    search = page.get_by_role("searchbox").or_(page.get_by_placeholder("Search")).first
    search.click()
    page.keyboard.press("Escape")
    assert not search.evaluate("node => node === document.activeElement")


def test_back_leaves_the_object_and_not_the_rows(served, page):
    _, _, url = served
    at(page, url, "/datasets")
    page.goto(f"{url}/datasets?id=news-grid")
    page.wait_for_selector("h1")
    settled(page)
    length = page.evaluate("history.length")
    grid = page.locator('[data-testid="stDataFrame"]').first
    for y in (60, 100, 140):
        before = page.url
        grid.click(position={"x": 40, "y": y})
        page.wait_for_function("before => location.href !== before", arg=before)
        settled(page)
    assert "sel=" in page.url
    assert page.evaluate("history.length") == length
    page.go_back()
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()


def test_the_document_names_its_language(served, page):
    _, _, url = served
    at(page, url, "/")
    assert page.evaluate("document.documentElement.lang") == "en"


_MORE = ("/datasets", "/models") if DEEP else ()


def test_chinese_is_no_wider_than_english_and_nothing_is_cut(served):
    _, context, url = served
    state = context.storage_state()
    widths: dict[str, dict[str, list[float]]] = {}
    for locale in ("en-US", "zh-CN"):
        other = context.browser.new_context(  # type: ignore[union-attr]
            locale=locale, storage_state=state, viewport={"width": 1280, "height": 860}
        )
        page = other.new_page()
        for path in ("/prompts?id=news", "/runs", "/label", *_MORE):
            at(page, url, path)
            at_rest(page)
            found = page.evaluate(
                """() => [...document.querySelectorAll(
                  '[data-testid="stSidebarNav"] a span, button [data-testid="stMarkdownContainer"]'
                )].map((n) => [n.getBoundingClientRect().width, n.scrollWidth - n.clientWidth])"""
            )
            assert all(cut <= 1 for _, cut in found), path
            widths.setdefault(path, {})[locale] = [width for width, _ in found]
        other.close()
    for path, by in widths.items():
        assert len(by["en-US"]) == len(by["zh-CN"]), path
        for english, chinese in zip(by["en-US"], by["zh-CN"], strict=True):
            # Two characters more for the shortest words: "Runs" is 批量运行.
            assert chinese <= max(english * 1.2, english + 28), path
