"""The playground in a browser: one press, one submission; nothing typed or answered is lost."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from connectors.models import ModelSettings
from connectors.service import add_model, ensure_builtin
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from prompts import scenes, service
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.scene import SceneState, View, column, of_columns
from tests.support.axe import in_schemes, source
from tests.support.browser import at_rest, settled, workspace
from tests.support.hostile_texts import MARK, hostile_texts
from tests.support.talker import Talker, talking

pytestmark = pytest.mark.browser
MODELS = ("paced-5", "paced-30", "held", "broken")
LONG = "{{ topic }} " + " ".join(f"w{n}" for n in range(40))


class Rig:
    """A served workspace with a prompt of two versions, on a provider that we drive."""

    def __init__(self, folder: Path, talker: Talker) -> None:
        self.talker = talker
        self.database = Database(Settings(data_dir=folder, database_url=None))
        migrate(self.database)
        with self.database.session_scope("user:admin") as session:
            ensure_builtin(session)
            for name in MODELS:
                settings = ModelSettings(base_url=talker.url, model=name)
                add_model(session, name, settings, allow_local=True)
            for text in (LONG, f"Second {LONG}"):
                content = PromptContent(
                    messages=(MessageTemplate(role="user", content=text),),
                    inputs=(Variable(name="topic", example="news"),),
                )
                service.push(session, "say", content)

    def scene(
        self,
        *models: str,
        view: View = "text",
        blind: bool = False,
        unsaved: str | None = None,
        **values: str,
    ) -> str:
        with self.database.session_scope("user:admin") as session:
            columns = []
            for place, model in enumerate(models):
                version = service.get(session, "say", place % 2 + 1)
                columns.append(
                    column(version.content, prompt="say", version=version.version, model=model)
                )
            state = of_columns(columns, dict(values)).replaced(view=view, blind=blind)
            if unsaved is not None:
                state = state.with_column(unsaved, changed=True)
            return scenes.create(session, state).id

    def state(self, scene_id: str) -> SceneState:
        with self.database.read_scope() as session:
            return scenes.get(session, scene_id).state


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, BrowserContext, str]]:
    folder = tmp_path_factory.mktemp("playground")
    with talking() as talker:
        rig = Rig(folder, talker)
        with workspace(folder, height=900) as (context, url):
            yield rig, context, url
        rig.database.close()


def opened(served: tuple[Rig, BrowserContext, str], scene_id: str) -> Page:
    page = served[1].new_page()
    page.goto(f"{served[2]}/playground?scene={scene_id}")
    page.wait_for_selector("h1")
    expect(page.get_by_role("button", name="Run all")).to_be_visible()
    settled(page)
    return page


def answer(page: Page, column_id: str):
    return page.locator(f".st-key-answer_{column_id}_0 .output")


def test_a_double_click_sends_once_and_one_failure_stops_no_other(served):
    rig, _, _ = served
    scene_id = rig.scene("paced-5", "broken", "paced-5", unsaved="c3")
    page = opened(served, scene_id)
    before = len(rig.talker.asked)
    page.get_by_role("button", name="Run all").dblclick()
    expect(answer(page, "c1")).to_contain_text("w39")
    expect(answer(page, "c3")).to_contain_text("w39")
    expect(page.get_by_text("refused the request")).to_be_visible()
    at_rest(page)
    assert len(rig.talker.asked) - before == 3
    assert rig.state(scene_id).turn == 1
    expect(page.get_by_text("first token")).to_have_count(2)
    # The guard is the submission's, not the button's: a press of its own sends again.
    page.get_by_role("button", name="Run all").click()
    for _ in range(100):
        if len(rig.talker.asked) - before >= 6:
            break
        page.wait_for_timeout(100)
    expect(page.get_by_role("button", name="Stop all")).to_be_disabled()
    at_rest(page)
    assert len(rig.talker.asked) - before == 6
    assert in_schemes(page, source(), 0) == {}
    page.close()


def test_typing_while_columns_stream_and_a_reload_lose_nothing(served):
    rig, _, _ = served
    scene_id = rig.scene("paced-30", "paced-30", "held")
    page = opened(served, scene_id)
    sources: list[str] = []
    page.on("request", lambda one: sources.append(one.url) if "/ui/streams" in one.url else None)
    page.get_by_role("button", name="Run all").click()
    expect(answer(page, "c1")).to_contain_text("w2")
    field = page.get_by_role("textbox", name="topic")
    field.click()
    field.press("Control+End")
    page.keyboard.type(" and 天气 while they talk", delay=15)
    expect(answer(page, "c2")).to_contain_text("w10")
    assert field.input_value() == "news and 天气 while they talk"
    assert field.evaluate("node => node.getRootNode().activeElement === node")
    ids = rig.state(scene_id).columns
    assert any(all(one.answers[0] in url for one in ids) for url in sources)  # one for all
    page.wait_for_timeout(600)
    page.reload()
    page.wait_for_selector("h1")
    expect(page.get_by_role("textbox", name="topic")).to_have_value("news and 天气 while they talk")
    expect(answer(page, "c1")).to_have_text(re.compile("^news w0 .*w12"))
    page.close()
    again = opened(served, scene_id)
    expect(answer(again, "c2")).to_have_text(re.compile("^Second news w0 .*w39$"))
    expect(answer(again, "c3")).to_contain_text("news")
    again.keyboard.press("Escape")
    expect(again.get_by_text("Stopped.")).to_have_count(1)
    expect(again.get_by_role("button", name="Stop all")).to_be_disabled()
    assert len(again.get_by_text("Asked before the last change").all()) == 3
    again.close()


def test_blind_shows_two_answers_and_nothing_that_tells_whose(served):
    rig, _, _ = served
    scene_id = rig.scene("paced-5", "paced-30", blind=True)
    page = opened(served, scene_id)
    page.get_by_role("button", name="Run all").click()
    expect(page.get_by_text("shown together")).to_be_visible()
    body = page.locator('[data-testid="stMain"]')
    assert "paced" not in body.inner_text()
    expect(page.get_by_role("heading", name="A", exact=True)).to_be_visible(timeout=20_000)
    settled(page)
    shown = body.inner_text() + page.title() + page.url
    for word in ("paced", "say@", "tokens", " ms", "$", "unpriced", "c1", "c2"):
        assert word not in shown, word
    page.wait_for_timeout(400)
    page.keyboard.press("b")
    expect(page.get_by_text("Votes won")).to_be_visible()
    state = rig.state(scene_id)
    assert state.round is not None
    assert [vote.preference for vote in state.round.votes] == ["b"]
    expect(page.get_by_text("first token")).to_have_count(2)
    page.close()


def test_markdown_of_a_model_is_laid_out_and_does_nothing(served):
    rig, context, _ = served
    text = "# Head\n\n**bold** `code`\n\n- one\n- two\n\n" + "\n\n".join(hostile_texts(False))
    scene_id = rig.scene("paced-5", "echo", view="markdown", topic=text)
    page = opened(served, scene_id)
    page.get_by_role("button", name="Run all").click()
    for one in ("c1", "c2"):
        expect(answer(page, one).locator("strong", has_text="bold").first).to_be_visible()
        expect(answer(page, one)).to_contain_text("w39")
        assert answer(page, one).locator("a, img, script, iframe, svg, style, form").count() == 0
    at_rest(page)
    assert page.evaluate(f"window.{MARK}") is None
    assert context.strangers == []
    page.get_by_role("radio", name="JSON").click()
    expect(page.get_by_text("is no JSON").first).to_be_visible()
    # A menu within the board opens a drawer of the page.
    page.locator(".st-key-scene_column_c2").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Get code").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Exactly what was sent")).to_be_visible()
    page.close()


def test_a_prompt_leads_to_its_drawers_and_to_the_playground(served):
    """The tab Edit is a fragment: its buttons alone redraw nothing else."""
    page = served[1].new_page()
    page.goto(f"{served[2]}/prompts?id=say")
    page.get_by_role("button", name="Save as case…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("do=case"))
    page.get_by_role("button", name="Compare with production").click()
    expect(page).to_have_url(re.compile(r"/playground\?scene="))
    expect(page.get_by_role("button", name="Run all")).to_be_visible()
    page.close()
