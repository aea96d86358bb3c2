"""Equal outputs share an identity, anything else does not."""

import hashlib
import json

import pytest

from evalsets.identity import inputs_hash, item_key

CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_key_is_the_hash_of_the_documented_json() -> None:
    text = '["cases",{"a":1,"b":"ä"},"out",null]'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert item_key("cases", {"b": "ä", "a": 1}, "out", None) == expected


def test_order_of_inputs_and_an_empty_tool_list_change_nothing() -> None:
    assert item_key("d", {"a": 1, "b": 2}, "x", []) == item_key("d", {"b": 2, "a": 1}, "x", None)
    assert inputs_hash({"a": 1, "b": [1, 2]}) == inputs_hash(json.loads('{"b":[1,2],"a":1}'))


@pytest.mark.parametrize(
    ("dataset", "inputs", "output", "tool_calls"),
    [
        ("e", {"a": 1}, "x", None),
        ("d", {"a": 2}, "x", None),
        ("d", {"a": "1"}, "x", None),
        ("d", {"a": 1}, "x ", None),
        ("d", {"a": 1}, "x\n", None),
        ("d", {"a": 1}, "x\x00", None),
        ("d", {"a": 1}, "X", None),
        ("d", {"a": 1}, "x", [CALL]),
    ],
)
def test_any_difference_is_another_item(
    dataset: str, inputs: dict[str, object], output: str, tool_calls: list[object] | None
) -> None:
    assert item_key(dataset, inputs, output, tool_calls) != item_key("d", {"a": 1}, "x", None)


def test_unicode_is_compared_byte_for_byte_and_lone_surrogates_do_not_fail() -> None:
    composed, decomposed = "\u00e4", "a\u0308"
    assert item_key("d", {}, composed, None) != item_key("d", {}, decomposed, None)
    assert item_key("d", {}, "\ud800", None) != item_key("d", {}, "\ud801", None)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        item_key("d", {"a": float("nan")}, "x", None)
