"""What a model, a file or a person wrote does nothing on any page (SAFETY: U4)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from evalsets.labels.queue_plan import PlanForm, create_queue
from evalsets.labels.service import Press, checked, item_of, save_label
from prompts import service
from prompts.content import MessageTemplate, PromptContent, Variable
from tests.support.browser import launch, running_server, settled, signed_in
from tests.support.depth import DEEP
from tests.support.hostile_texts import MARK, hostile_texts
from tests.support.runs_factory import make_run

pytestmark = pytest.mark.browser
TEXTS = list(hostile_texts(DEEP))
WATCH = """
window.violations = []
document.addEventListener('securitypolicyviolation', (e) => violations.push(e.blockedURI))
"""
FOUND = """() => {
  const found = []
  const look = (root) => {
    for (const node of root.querySelectorAll('*')) {
      for (const name of node.getAttributeNames()) {
        const value = node.getAttribute(name)
        if (name.startsWith('on')) found.push(name)
        if (['src', 'href', 'srcset', 'data', 'action'].includes(name) &&
            /evil|javascript:/.test(value)) found.push(name + '=' + value)
      }
      if (node.shadowRoot) look(node.shadowRoot)
    }
  }
  look(document)
  return found
}"""


class Rig:
    """A served workspace full of hostile texts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        database = Database(Settings(data_dir=folder, database_url=None))
        migrate(database)
        cases = [{"question": text, "n": number} for number, text in enumerate(TEXTS)]
        with database.session_scope("user:admin") as session:
            self.run = make_run(
                session, cases=cases, arms=("a", "b"), dataset="hostile", imported=True,
                output=lambda row, arm, _: TEXTS[row] + "!" * arm,
            )  # fmt: skip
            for number, text in enumerate(TEXTS[:12]):
                item = item_of(session, self.run, number * 2)
                label = checked("bad", ["wrong"], text, text)
                save_label(session, item, label, Press("import"))
            self.queue = create_queue(
                session, self.run, PlanForm(seed=1, guidelines=TEXTS[1], show_expected=True)
            ).id
            self._prompts(session)
        database.close()

    def _prompts(self, session) -> None:
        for number, text in enumerate(TEXTS[:8], 1):
            content = PromptContent(
                messages=(
                    MessageTemplate(role="user", content=f"{number} {{{{ x }}}} {safe(text)}"),
                ),
                inputs=(Variable(name="x", example=text, description=text),),
            )
            service.push(
                session, "hostile", content, message=safe(text), description=safe(text),
                tags=[safe(text)[:60]], title=safe(text),
            )  # fmt: skip


def safe(text: str) -> str:
    """Without what a template or the database would refuse."""
    return text.replace("{{", "{ {").replace("{%", "{ %")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def served(rig: Rig) -> Iterator[tuple[Browser, BrowserContext, str]]:
    with running_server(rig.folder) as server, sync_playwright() as playwright:
        browser = launch(playwright)
        context = signed_in(browser, server, viewport={"width": 1280, "height": 860})
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(server.sign_in)
        page.wait_for_selector("h1")
        page.close()
        yield browser, context, server.url
        assert context.strangers == []  # type: ignore[attr-defined]
        browser.close()


def check(page: Page, alerts: list[str]) -> None:
    assert alerts == []
    assert page.evaluate(f"window.{MARK}") is None
    assert page.evaluate(FOUND) == []
    assert [uri for uri in page.evaluate("violations") if "evil" in uri] == []


def opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    page = context.new_page()
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    page.wait_for_selector("h1")
    settled(page)
    return page, alerts


_PLAIN = ("/prompts", "/runs", "/datasets?do=file", "/")
"""Pages whose texts stand on the others, too."""


@pytest.mark.parametrize(
    "path",
    ["/prompts?id=hostile", "/prompts?id=hostile&tab=history",
     "/prompts?id=hostile&tab=diff&a=1&b=8", "/prompts?id=hostile&do=details",
     "/runs?id={run}", "/runs?id={run}&tab=cases", "/runs?id={run}&tab=verdict",
     "/runs?id={run}&tab=settings", "/label?queue={queue}", *(_PLAIN if DEEP else ())],
)  # fmt: skip
def test_pages_are_inert(served, rig: Rig, path: str):
    _, context, url = served
    page, alerts = opened(context, url + path.format(run=rig.run, queue=rig.queue))
    check(page, alerts)
    page.close()


def test_every_output_is_shown_as_text_and_does_nothing(served, rig: Rig):
    _, context, url = served
    page, alerts = opened(context, f"{url}/runs?id={rig.run}&tab=cases&sel=0")
    for number in range(0, len(TEXTS) * 2, 1 if DEEP else 20):
        page.goto(f"{url}/runs?id={rig.run}&tab=cases&sel={number}")
        shown = page.locator(".st-key-cell_output .output")
        expect(shown).to_be_visible()
        text = TEXTS[number // 2] + "!" * (number % 2)
        visible = text.replace("\x1b", "␛")
        for hidden in "\u202e\u202c\u2066\u2069":
            visible = visible.replace(hidden, f"⟨U+{ord(hidden):04X}⟩")
        assert shown.evaluate("node => node.textContent") == visible
        assert shown.evaluate("node => node.children.length") == 0
        check(page, alerts)
    page.close()


def test_the_check_sees_what_it_is_for(served):
    """Control: the same picture, planted as HTML, is found by every part of the check."""
    _, context, url = served
    page, _ = opened(context, f"{url}/models")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', "
        f"\"<img src='http://evil.invalid/a.png' onerror='window.{MARK}=1'>\")"
    )
    page.wait_for_function(f"window.{MARK} === 1")
    page.wait_for_function("violations.some((uri) => uri.includes('evil'))")
    assert len(page.evaluate(FOUND)) == 2
    page.close()
