"""JSON paths and calls of tools in answers as models give them."""

import json

import pytest

from core.canonical import Json
from core.errors import Invalid
from evalsets.evaluators.specs import load_evaluator, parse_evaluator
from evalsets.evaluators.structures import JsonPath, ToolCall
from evalsets.evaluators.subjects import Score, Subject

ORDER = (
    '{"items": [{"name": "tea", "price": 3.0, "on": true}, {"name": "cup", "price": 9}], "n": 1}'
)


def at(path: str, output: str = ORDER, expected: str | None = None, **settings: object) -> Score:
    return JsonPath(path=path, **settings).score(Subject(output, expected=expected))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "settings", "value"),
    [
        ("$.items[0].name", {}, 1), ("$.items[2]", {}, 0), ("$..price", {}, 1),
        ("$.items[0].price", {"test": "equals", "value": "3"}, 1),
        ("$.items[0].on", {"test": "equals", "value": "1"}, 0),
        ("$.items[0].on", {"test": "equals", "value": "true"}, 1),
        ("$.items[*].name", {"test": "equals", "value": "cup"}, 1),
        ("$.items[*].name", {"test": "equals", "value": "cup", "every": True}, 0),
        ("$.items[*].name", {"test": "matches", "value": "^[a-z]{3}$", "every": True}, 1),
        ("$.items[?@.price > 5].name", {"test": "equals", "value": "cup"}, 1),
        ("$.items[1]", {"test": "equals", "value": '{"price": 9.0, "name": "cup"}'}, 1),
    ],
)  # fmt: skip
def test_paths(path: str, settings: dict[str, object], value: float) -> None:
    found = at(path, **settings)
    assert found.value == value
    assert path in found.reason


def test_what_a_path_compares_with_may_be_the_cases_own() -> None:
    assert at("$.n", expected="1", test="equals").value == 1
    assert at("$.n", test="equals").value is None
    assert at("$.n", expected="(", test="matches").value is None
    assert at("$.n", output="```json\n" + ORDER + "\n```").value == 1
    assert at("$.n", output="Sorry.") == Score(0, "the answer is no JSON")
    assert at("$.n", output="[" * 100_000).value == 0


@pytest.mark.parametrize(
    "path", ["$.[", "$..*..*", "$[?match(@.a, '(a+)+b')]", "$[?@.a =~ /(a+)+b/]", "$.a | $.b"]
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(Invalid, match="json_path"):
        parse_evaluator(f"json_path:{path}")


def made(*calls: tuple[str, dict[str, Json]]) -> list[Json]:
    return [
        {"id": "1", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for name, given in calls
    ]


TWO = made(("find", {"city": "Oslo", "days": 2}), ("book", {"id": 7}))


def called(evaluator: ToolCall, calls: list[Json] | None, **rest: object) -> Score:
    return evaluator.score(Subject("", tool_calls=calls, **rest))  # type: ignore[arg-type]


def wants(*calls: dict[str, Json], **settings: object) -> ToolCall:
    return ToolCall.model_validate({"calls": calls, **settings})


def test_calls_that_should_be_there() -> None:
    assert called(ToolCall(tool="book"), TWO).value == 1
    lost = called(ToolCall(tool="pay"), TWO)
    assert lost.value == 0
    assert lost.reason == 'lacks pay; it calls find({"city": "Oslo", "days": 2}), book({"id": 7})'
    assert called(ToolCall(tool="pay"), None).reason == "lacks pay; it calls no tool"
    assert called(ToolCall(tool="book", extra=False), TWO).value == 0
    assert called(ToolCall(), TWO).value is None


def test_arguments_and_order() -> None:
    part = {"name": "find", "arguments": {"city": "Oslo"}}
    assert called(wants(part), TWO).value == 1
    assert called(wants(part, arguments="equal"), TWO).value == 0
    assert called(wants({"name": "find", "arguments": {"days": 2.0}}), TWO).value == 1
    assert called(wants({"name": "find", "arguments": {"days": 3}}), TWO).value == 0
    assert (
        called(wants({"name": "find", "arguments": {"x": 1}}, arguments="ignore"), TWO).value == 1
    )
    turned = {"name": "book"}, {"name": "find"}
    assert called(wants(*turned), TWO).value == 1
    assert called(wants(*turned, order="same"), TWO).value == 0
    # Each call answers one wish alone, and the narrow wish gets the one call that fits it.
    again = made(("find", {"city": "Oslo"}), ("find", {"city": "Rome"}))
    assert (
        called(
            wants({"name": "find"}, {"name": "find", "arguments": {"city": "Oslo"}}), again
        ).value
        == 1
    )
    assert called(wants({"name": "find"}, {"name": "find"}), TWO).value == 0


def test_a_case_says_which_calls_it_wants() -> None:
    own: dict[str, Json] = {"tool_calls": [{"name": "book", "arguments": {"id": 7}}]}
    assert called(ToolCall(), TWO, inputs=own).value == 1
    assert called(ToolCall(), TWO, inputs={"tool_calls": "book"}).value == 1
    assert called(ToolCall(), TWO, inputs={"tool_calls": '["book", "pay"]'}).value == 0
    assert called(ToolCall(), TWO, expected='{"name": "find"}').value == 1
    assert called(ToolCall(), TWO, expected="find").value is None
    assert called(ToolCall(), TWO, inputs={"tool_calls": []}).value == 0
    assert called(ToolCall(), None, inputs={"tool_calls": []}).value == 1
    assert called(ToolCall(), TWO, inputs={"tool_calls": [{"arguments": {}}]}).value is None


def test_a_call_in_the_form_of_openai_is_settings_too() -> None:
    assert load_evaluator({"kind": "tool_call", "tool": "book"}) == parse_evaluator(
        "tool_call:book"
    )
    strict = parse_evaluator("tool_call:tool=book,extra=false,order=same")
    assert isinstance(strict, ToolCall)
    assert (strict.extra, strict.order) == (False, "same")
