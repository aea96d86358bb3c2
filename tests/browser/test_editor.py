"""The code editor of prompts in a browser: what is typed, offered, underlined and sent."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from connectors.service import ensure_builtin
from core.database import Database
from core.migrate import migrate
from core.settings import Settings
from prompts import service
from prompts.content import MessageTemplate, PromptContent, Variable
from tests.support.axe import findings, source
from tests.support.browser import settled, workspace

pytestmark = pytest.mark.browser
SYSTEM = "You write in {{ tone }}."
USER = "# Task\nTell {{ topic }} in {{ words }} words."


class Rig:
    """A served workspace with a prompt."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(Settings(data_dir=folder, database_url=None))
        migrate(self.database)
        with self.database.session_scope("user:admin") as session:
            ensure_builtin(session)
            messages = (
                MessageTemplate(role="system", content=SYSTEM),
                MessageTemplate(role="user", content=USER),
            )
            tone = MessageTemplate(role="user", content="Be kind.")
            service.push(session, "manners", PromptContent(messages=(tone,)))
            names = ("tone", "topic", "words")
            inputs = tuple(Variable(name=name, example=name) for name in names)
            for name in ("tell", "say", "arabic", "plain"):
                service.push(
                    session, name, PromptContent(messages=messages, inputs=inputs, model="echo")
                )

    def draft(self, name: str) -> list[str]:
        with self.database.read_scope() as session:
            found = service.load_draft(session, "user:admin", name)
        assert found is not None
        return [message["content"] for message in found.content["messages"]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rig, BrowserContext, str]]:
    folder = tmp_path_factory.mktemp("editor")
    rig = Rig(folder)
    with workspace(folder) as (context, url):
        yield rig, context, url
    rig.database.close()


def opened(served: tuple[Rig, BrowserContext, str], name: str) -> tuple[Page, Locator]:
    page = served[1].new_page()
    page.goto(f"{served[2]}/prompts?id={name}")
    field = page.get_by_role("textbox", name="Message 2, user")
    expect(page.locator(".cm-content")).to_have_count(2)
    expect(page.get_by_text("Run over a dataset")).to_be_visible()
    settled(page)
    field.click()
    page.keyboard.press("Control+End")
    return page, field


def text(field: Locator) -> str:
    return "\n".join(field.locator(".cm-line").all_inner_texts())


def focused(field: Locator) -> bool:
    return field.evaluate("node => node.getRootNode().activeElement === node")


def test_names_are_offered_and_a_fault_is_underlined(served):
    rig, _, _ = served
    page, field = opened(served, "tell")
    page.keyboard.type(" In {{")
    offered = page.get_by_role("option")
    expect(offered).to_have_text(["tone", "topic", "words"])
    fault = page.get_by_role("status").filter(has_text="Message 2, line 2")
    expect(fault).to_be_visible()
    expect(field.locator(".cm-fault").first).to_contain_text("In {{")
    expect(field).to_have_attribute("aria-invalid", "true")
    page.keyboard.type("ton")
    expect(offered).to_have_text(["tone"])
    page.wait_for_timeout(150)
    page.keyboard.press("Enter")
    assert text(field).endswith(" In {{ tone }}")
    expect(fault).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("| ")
    expect(offered.nth(20)).to_be_attached()
    expect(fault).to_be_visible()
    assert findings(page, source()) == []  # of a list that scrolls, too
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")  # in the list, which hands the focus back
    expect(offered.nth(1)).to_have_attribute("aria-selected", "true")
    assert focused(field)
    page.keyboard.type("upp")
    expect(offered).to_have_text(["upper"])
    page.keyboard.press("Escape")  # closes the list and stays
    expect(offered).to_have_count(0)
    assert focused(field)
    page.keyboard.type("er ")
    page.keyboard.press("Control+Enter")
    # The last keys came with the press itself, and are in what is asked.
    expect(page.locator(".st-key-trial_answer .output")).to_have_text(re.compile("In TONE"))
    page.keyboard.type("| trim ")  # the focus came back
    page.keyboard.press("Tab")
    assert not focused(field)
    page.wait_for_timeout(600)
    assert rig.draft("tell")[1] == f"{USER} In {{{{ tone | upper | trim }}}}"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_text("version 2", exact=True)).to_be_visible()
    page.keyboard.press("Control+End")
    page.keyboard.type('{% include "')
    expect(offered).to_have_text(["manners@1"])
    page.wait_for_timeout(150)  # a list that has just come takes no Enter yet
    page.keyboard.press("Enter")
    assert text(field).endswith('{% include "manners@1" %}')
    page.close()


def test_versions_stand_side_by_side_with_equal_lines_folded(served):
    rig, context, url = served
    rules = "".join(f"Rule {n}\n" for n in range(12))
    with rig.database.session_scope("user:admin") as session:
        for text in (f"{rules}请写一篇短文", f"{rules}请写一篇长文"):
            message = MessageTemplate(role="user", content=text)
            service.push(session, "sides", PromptContent(messages=(message,)))
    page = context.new_page()
    page.goto(f"{url}/prompts?id=sides&tab=diff&look=two")
    table = page.get_by_role("table", name="Diff")
    expect(table.locator("del")).to_have_text("短")
    expect(table.locator("ins")).to_have_text("长")
    expect(table.get_by_role("row")).to_have_count(6)
    settled(page)
    assert findings(page, source()) == []
    table.get_by_role("button", name="9 equal lines").click()
    expect(table.get_by_role("row")).to_have_count(14)
    page.close()


def test_composed_chinese_and_arabic_lines_are_kept(served):
    rig, context, _ = served
    page, field = opened(served, "arabic")
    page.keyboard.press("Enter")
    keyboard = context.new_cdp_session(page)
    for half in ("t", "ti", "tian"):
        keyboard.send(
            "Input.imeSetComposition",
            {"text": half, "selectionStart": len(half), "selectionEnd": len(half)},
        )
        page.wait_for_timeout(150)
    keyboard.send("Input.insertText", {"text": "天气"})
    page.keyboard.press("Enter")
    keyboard.send("Input.insertText", {"text": "اكتب عن {{ topic }} الآن"})
    rows = field.locator(".cm-line")
    shown = [row.evaluate("node => getComputedStyle(node).direction") for row in rows.all()]
    assert shown == ["ltr", "ltr", "ltr", "rtl"]
    page.wait_for_timeout(600)
    page.reload()
    again = page.get_by_role("textbox", name="Message 2, user")
    expect(again.locator(".cm-line")).to_have_count(4)
    assert text(again) == rig.draft("arabic")[1] == f"{USER}\n天气\nاكتب عن {{{{ topic }}}} الآن"
    page.close()


def test_without_its_script_the_plain_field_works(served):
    rig, context, url = served
    page = context.new_page()
    page.route("**/ui/editor.js*", lambda route: route.abort())
    page.goto(f"{url}/prompts?id=plain")
    field = page.get_by_role("textbox", name="Message 2, user")
    expect(field).to_have_value(USER)
    settled(page)
    field.press("Control+End")
    page.keyboard.type(" {% if")
    expect(page.get_by_role("status").filter(has_text="Message 2, line 2")).to_be_visible()
    page.keyboard.press("Tab")
    page.wait_for_timeout(500)
    assert rig.draft("plain")[1] == USER + " {% if"
    page.close()
