"""The content of a version: its hash, its limits, and inputs by declared type."""

import hashlib
import json
from typing import Any

import pytest
from pydantic import ValidationError

from prompts.content import (
    InputError,
    MessageTemplate,
    PromptContent,
    Variable,
    content_hash,
    typed_inputs,
)


def with_inputs(*variables: Variable) -> PromptContent:
    return PromptContent(inputs=variables)


def test_the_hash_is_of_canonical_json() -> None:
    content = PromptContent(messages=(MessageTemplate(role="user", content="你好"),), model="m")
    text = json.dumps(
        {"messages": [{"role": "user", "content": "你好"}], "model": "m", "options": {}, "inputs": [],
         "outputs": None, "tools": []},
        sort_keys=True, separators=(",", ":"), ensure_ascii=False,
    )  # fmt: skip
    assert content_hash(content) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"messages": ()}, {"model": None}, {"options": {"temperature": 1}}, {"inputs": ()},
        {"outputs": {"type": "object"}}, {"tools": ({"type": "function"},)},
        {"options": {"seed": 1, "temperature": 0.0}},
    ],
)  # fmt: skip
def test_every_part_changes_the_hash(change: dict[str, Any]) -> None:
    whole = PromptContent(
        messages=(MessageTemplate(role="user", content="a"),),
        model="m", options={"temperature": 0}, inputs=(Variable(name="x"),),
    )  # fmt: skip
    changed = PromptContent.model_validate({**whole.model_dump(), **change})
    assert content_hash(changed) != content_hash(whole)


def test_key_order_does_not_change_the_hash() -> None:
    one = PromptContent(options={"a": 1, "b": 2})
    assert content_hash(one) == content_hash(PromptContent(options={"b": 2, "a": 1}))


def test_line_ends_are_one_kind() -> None:
    assert MessageTemplate(role="user", content="a\r\nb\rc").content == "a\nb\nc"


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"messages": [{"role": "tool", "content": ""}]}, "role"),
        ({"messages": [{"role": "user", "content": "\x00"}]}, "NUL"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "unicode"),
        ({"messages": [{"role": "user", "content": "x" * (1024 * 1024 + 1)}]}, "1048576"),
        ({"messages": [{"role": "user", "content": ""}] * 201}, "200"),
        ({"options": {"stream": True}}, "'stream'"),
        ({"options": {"a": float("nan")}}, "NaN"),
        ({"options": {"a": 2**64}}, "64 bits"),
        ({"options": {"a": {1: 2}}}, "key 1"),
        ({"options": {"a": object()}}, "JSON"),
        ({"outputs": {"city": "string"}}, "JSON schema"),
        ({"inputs": [{"name": "x"}, {"name": "x"}]}, "twice"),
        ({"inputs": [{"name": "x", "kind": "image"}]}, "kind"),
        ({"inputs": [{"name": "x", "kind": "choice"}]}, "choices"),
        (
            {"inputs": [{"name": "x", "kind": "choice", "choices": ["a"], "default": "b"}]},
            "default",
        ),
        ({"inputs": [{"name": "x", "kind": "number", "default": "many"}]}, "default"),
        ({"inputs": [{"name": "x", "choices": ["a"]}]}, "choice"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_be_kept_is_refused(value: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        PromptContent.model_validate(value)


@pytest.mark.parametrize(
    "name", ["", "a b", "1a", "a-b", "true", "loop", "not", "__x", "x" * 129, "a.b", "²"]
)
def test_names_no_template_can_read_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Variable(name=name)


@pytest.mark.parametrize("name", ["x", "名字", "class", "from", "x_1", "É"])
def test_names_of_any_script(name: str) -> None:
    assert Variable(name=name).name == name


CHOICE = Variable(name="x", kind="choice", choices=("a", 2, True))


@pytest.mark.parametrize(
    ("variable", "raw", "wanted"),
    [
        (Variable(name="x"), "", ""),
        (Variable(name="x"), " 007 ", " 007 "),
        (Variable(name="x"), 3, "3"),
        (Variable(name="x"), True, "true"),
        (Variable(name="x"), {"a": "é"}, '{"a": "é"}'),
        (Variable(name="x", kind="number"), "3", 3),
        (Variable(name="x", kind="number"), " -0.5 ", -0.5),
        (Variable(name="x", kind="number"), "\u22121e3", -1000.0),
        (Variable(name="x", kind="number"), 2.5, 2.5),
        (Variable(name="x", kind="boolean"), "Yes", True),
        (Variable(name="x", kind="boolean"), "0", False),
        (Variable(name="x", kind="boolean"), "是", True),
        (Variable(name="x", kind="boolean"), False, False),
        (CHOICE, "a", "a"),
        (CHOICE, "2", 2),
        (CHOICE, "true", True),
        (Variable(name="x", kind="list"), '["a", 1]', ["a", 1]),
        (Variable(name="x", kind="list"), "a, b，c", ["a", "b", "c"]),
        (Variable(name="x", kind="list"), "a, b\nc\n", ["a, b", "c"]),
        (Variable(name="x", kind="list"), "", []),
        (Variable(name="x", kind="list"), [1], [1]),
        (Variable(name="x", kind="json"), '{"a": [1, null]}', {"a": [1, None]}),
        (Variable(name="x", kind="json"), {"a": 1}, {"a": 1}),
        (Variable(name="x", kind="thread"), '[{"role":"user","content":"x"}]', [{"role": "user", "content": "x"}]),
        (Variable(name="x", kind="thread"), "", []),
        (Variable(name="x", default="d"), None, "d"),
        (Variable(name="x", kind="number", default="4"), None, 4),
        (Variable(name="x", default="d"), "", ""),
        (Variable(name="x", required=False), None, ""),
        (Variable(name="x", kind="list", required=False), None, []),
        (Variable(name="x", kind="json", required=False), None, None),
    ],
)  # fmt: skip
def test_values_take_the_declared_type(variable: Variable, raw: Any, wanted: Any) -> None:
    for given in [{"x": raw}] if raw is not None else [{"x": None}, {}]:
        value = typed_inputs(with_inputs(variable), given)["x"]
        assert value == wanted
        assert type(value) is type(wanted)


@pytest.mark.parametrize(
    ("variable", "raw", "part"),
    [
        (Variable(name="x", kind="number"), "1_000", "not a number"),
        (Variable(name="x", kind="number"), "nan", "not a number"),
        (Variable(name="x", kind="number"), True, "not a number"),
        (Variable(name="x", kind="boolean"), "maybe", "neither true nor false"),
        (CHOICE, "b", "one of a, 2, true"),
        (CHOICE, 1, "choices"),
        (Variable(name="x", kind="json"), "{a: 1}", "not JSON"),
        (Variable(name="x", kind="json"), "[" * 100_000, "not JSON"),
        (Variable(name="x", kind="json"), "NaN", "not JSON"),
        (Variable(name="x", kind="list"), 3, "not a list"),
        (Variable(name="x", kind="thread"), '[{"role":"tool","content":"x"}]', "messages"),
        (Variable(name="x", kind="thread"), '[{"role":"user"}]', "messages"),
    ],
)
def test_a_bad_value_is_a_clear_error(variable: Variable, raw: Any, part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        typed_inputs(with_inputs(variable), {"x": raw})
    assert list(caught.value.bad) == ["x"]
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("kind", ["number", "boolean", "json"])
def test_an_empty_cell_is_the_null_of_kinds_without_an_empty_value(kind: Any) -> None:
    with_default = with_inputs(Variable(name="x", kind=kind, default="1"))
    assert typed_inputs(with_default, {"x": " "})["x"] == 1
    optional = with_inputs(Variable(name="x", kind=kind, required=False))
    assert typed_inputs(optional, {"x": ""})["x"] is None
    with pytest.raises(InputError) as caught:
        typed_inputs(with_inputs(Variable(name="x", kind=kind)), {"x": ""})
    assert caught.value.missing == ("x",)


def test_an_empty_choice_is_null_unless_it_is_one_of_the_choices() -> None:
    with pytest.raises(InputError):
        typed_inputs(with_inputs(CHOICE), {"x": ""})
    either = with_inputs(Variable(name="x", kind="choice", choices=("", "a"), default="a"))
    assert typed_inputs(either, {"x": ""})["x"] == ""


def test_every_fault_is_named_and_extra_columns_pass() -> None:
    content = with_inputs(Variable(name="a"), Variable(name="b"), Variable(name="c", kind="number"))
    with pytest.raises(InputError) as caught:
        typed_inputs(content, {"c": "x", "b": None})
    assert caught.value.missing == ("a", "b")
    assert "'a', 'b'" in caught.value.message
    values = typed_inputs(content, {"a": "1", "b": "", "c": "1", "other column": "x", "none": None})
    assert values == {"a": "1", "b": "", "c": 1, "other column": "x"}
