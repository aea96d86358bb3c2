"""Mocked results of tools: which one answers a call, and what the model is told."""

import pytest

from prompts.content import MessageTemplate, PromptContent
from prompts.files import parse_prompt_file, write_prompty
from prompts.mocks import ToolMock, carried_on, result_of, tool_fault

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
MOCKS = (
    ToolMock(tool="look", result={"found": "北京"}, arguments={"q": "x", "n": 1}),
    ToolMock(tool="look", result="nothing"),
)


def call(arguments: object, name: str = "look", **more: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_equal_arguments_come_before_any_arguments() -> None:
    assert result_of(MOCKS, "look", {"n": 1, "q": "x"}) == '{"found":"北京"}'
    assert result_of(MOCKS, "look", {"q": "y"}) == "nothing"
    assert result_of(MOCKS, "other", {}) is None


def test_a_conversation_goes_on_only_when_every_call_has_a_result() -> None:
    given = [{"role": "user", "content": "Ask"}]
    made = carried_on(given, "", [call('{"n": 1, "q": "x"}', id="a"), call("no json")], MOCKS)
    assert made is not None
    assert [one["role"] for one in made] == ["user", "assistant", "tool", "tool"]
    assert [one.get("tool_call_id") for one in made[2:]] == ["a", "call_1"]
    assert made[1]["content"] is None
    assert made[2]["content"] == '{"found":"北京"}'
    assert carried_on(given, "", [call("{}"), call("{}", "other")], MOCKS) is None
    assert carried_on(given, "text", [], MOCKS) is None


def test_mocks_are_part_of_the_content_and_of_its_file() -> None:
    content = PromptContent(
        messages=(MessageTemplate(role="user", content="x"),), tools=(TOOL,), mocks=MOCKS
    )
    assert parse_prompt_file("x.prompty", write_prompty("x", content).encode()).content == content
    with pytest.raises(ValueError, match="none of the tools"):
        PromptContent(mocks=MOCKS)


@pytest.mark.parametrize(
    ("tool", "fault"),
    [
        (TOOL, None), ("look", "type: function"), ({"type": "function"}, "`name`"),
        ({"type": "function", "function": {"name": ""}}, "`name`"),
        ({"type": "function", "function": {"name": "a", "parameters": []}}, "JSON schema"),
    ],
)  # fmt: skip
def test_a_tool_that_cannot_be_sent_is_told(tool: object, fault: str | None) -> None:
    found = tool_fault(tool)
    assert found == fault if fault is None else fault in str(found)
