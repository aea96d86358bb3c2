"""Rows of every format: read by their columns, written back, handed to the trainer."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.canonical import canonical_json
from core.errors import Invalid
from evalsets.files.reading import read_cases
from tests.support.depth import DEEP
from tuning.data.formats import RowFormat, as_format, write_format
from tuning.data.reading import Unread, kind_of, read_row
from tuning.data.rows import (
    PairRow,
    Row,
    SftRow,
    ThumbRow,
    Turn,
    answers_of,
    as_columns,
    as_kind,
    as_trl,
    prompt_of,
)

DATA = Path(__file__).parents[3] / "shared" / "data"
LLAMA = DATA / "ft_llamafactory"
needs_data = pytest.mark.skipif(not LLAMA.is_dir(), reason="the sample data is not here")

ASK, SAY = Turn("user", "What is 2 + 2?"), Turn("assistant", "4")
TALK = (Turn("system", "Be brief."), ASK, SAY, Turn("user", "And 3 + 3?"), Turn("assistant", "6"))
TOOLS = '[{"function":{"name":"add","parameters":{}},"type":"function"}]'
CALL = '[{"function":{"arguments":{"a":2},"name":"add"},"type":"function"}]'
CALLED = (ASK, Turn("assistant", "", CALL), Turn("tool", "4"), SAY)
FORMS: tuple[RowFormat, ...] = ("alpaca", "sharegpt", "messages", "prompt_chosen_rejected", "kto")
ROWS: list[Row] = [
    SftRow((ASK, SAY)),
    SftRow(TALK),
    SftRow(CALLED, TOOLS),
    SftRow((ASK, Turn("assistant", '{"sum": 4}'))),
    SftRow((Turn("user", '[{"role": "user"}]'), SAY)),
    PairRow((ASK,), (SAY,), (Turn("assistant", "5"),)),
    PairRow(TALK[:-1], (TALK[-1],), (Turn("assistant", ""),)),
    PairRow((ASK,), CALLED[1:], (Turn("assistant", '[{"role": "user", "content": "x"}]'),), TOOLS),
    ThumbRow((ASK,), (SAY,), True),
    ThumbRow(TALK[:-1], (TALK[-1],), False),
]


def row(inputs: dict[str, Any], expected: str | None = None) -> Row:
    found = read_row(inputs, expected)
    assert not isinstance(found, Unread), found
    return found


def why(inputs: dict[str, Any], expected: str | None = None) -> str:
    found = read_row(inputs, expected)
    assert isinstance(found, Unread), found
    return found.reason


@pytest.mark.parametrize("one", ROWS)
def test_our_own_columns_read_back(one: Row):
    inputs, expected = as_columns(one)
    assert kind_of(inputs) == one.kind
    assert row(json.loads(json.dumps(inputs)), expected) == one


def _fits(one: Row, form: RowFormat) -> bool:
    if form in ("kto", "prompt_chosen_rejected"):
        return one.kind == ("kto" if form == "kto" else "dpo")
    return form != "alpaca" or not one.tools


@pytest.mark.parametrize("one", ROWS)
@pytest.mark.parametrize("form", FORMS)
def test_every_format_reads_back(one: Row, form: RowFormat):
    if not _fits(one, form):
        with pytest.raises(Invalid):
            as_format(one, form)
        return
    written = as_format(one, form)
    assert row(json.loads(json.dumps(written))) == one


@pytest.mark.parametrize(
    ("inputs", "wanted"),
    [
        ({"instruction": "Add", "input": "2 2", "output": "4"}, (Turn("user", "Add\n2 2"), SAY)),
        (
            {"instruction": "b", "output": "4", "system": "s", "history": [["q", "a"]]},
            (Turn("system", "s"), Turn("user", "q"), Turn("assistant", "a"), Turn("user", "b"), SAY),
        ),
        ({"instruction": "b", "output": "4", "history": '[["q", "a"]]', "input": None}, None),
        ({"prompt": "What is 2 + 2?", "completion": "4"}, (ASK, SAY)),
        ({"prompt": [{"role": "user", "content": "What is 2 + 2?"}], "response": "4"}, (ASK, SAY)),
        ({"messages": [{"role": "human", "content": [{"type": "text", "text": "q"}]},
                       {"role": "gpt", "content": "4"}]}, (Turn("user", "q"), SAY)),
        ({"conversations": '[{"from": "human", "value": "q"}, {"from": "gpt", "value": "4"}]',
          "system": "s"}, (Turn("system", "s"), Turn("user", "q"), SAY)),
    ],
)  # fmt: skip
def test_conversations(inputs: dict[str, Any], wanted: tuple[Turn, ...] | None):
    found = row(inputs)
    assert isinstance(found, SftRow)
    assert wanted is None or found.messages == wanted
    assert answers_of(found)[0][-1].content == "4"


def test_what_a_case_expects_is_the_answer():
    assert row({"instruction": "What is 2 + 2?"}, "4") == SftRow((ASK, SAY))
    assert row({"question": "What is 2 + 2?"}, "4") == SftRow((ASK, SAY))
    thread = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
    assert row(thread, "4") == SftRow((ASK, SAY))
    assert row(thread, '{"role": "user"}').messages[1].content == '{"role": "user"}'


def test_what_is_expected_takes_the_place_of_what_was_said():
    talk = [{"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "5"}]
    assert row({"messages": talk}, "4") == SftRow((ASK, SAY))
    thumb = row({"messages": talk, "label": False}, "4")
    assert thumb == ThumbRow((ASK,), (Turn("assistant", "5"),), False)
    twice = SftRow((ASK, SAY, Turn("assistant", "It is four.")))
    assert row(*as_columns(twice)) == twice


@pytest.mark.parametrize(
    "inputs",
    [
        {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"},
        {"instruction": "What is 2 + 2?", "input": "", "chosen": "4", "rejected": "5"},
        {"conversations": [{"from": "human", "value": "What is 2 + 2?"}],
         "chosen": {"from": "gpt", "value": "4"}, "rejected": {"from": "gpt", "value": "5"}},
        {"prompt": "What is 2 + 2?",
         "chosen": [{"role": "user", "content": "What is 2 + 2?"},
                    {"role": "assistant", "content": "4"}],
         "rejected": [{"role": "user", "content": "What is 2 + 2?"},
                      {"role": "assistant", "content": "5"}]},
    ],
)  # fmt: skip
def test_pairs(inputs: dict[str, Any]):
    assert row(inputs) == PairRow((ASK,), (SAY,), (Turn("assistant", "5"),))


@pytest.mark.parametrize("label", [True, "true", "True", 1, "good", "1"])
def test_thumbs(label: object):
    one = ThumbRow((ASK,), (SAY,), True)
    asked = {"role": "user", "content": "What is 2 + 2?"}
    said = {"role": "assistant", "content": "4"}
    assert row({"messages": [asked, said], "label": label}) == one
    assert row({"messages": [asked, said], "kto_tag": label}) == one
    assert row({"prompt": "What is 2 + 2?", "completion": "4", "label": label}) == one


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"text": "x"}, "none of a training row"),
        ({"messages": "hello"}, "list of messages"),
        ({"messages": []}, "no message"),
        ({"messages": [{"role": "king", "content": "x"}]}, "the role 'king'"),
        ({"messages": [{"role": "user", "content": "x"}]}, "no answer"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first turn must be the user's"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "only text"),
        ({"messages": [3]}, "a number where a message"),
        ({"conversations": [{"from": "human", "value": "x"},
                            {"from": "function_call", "value": "no json"}]}, "without a name"),
        ({"instruction": "x", "output": 3}, "a number where a list"),
        ({"instruction": "x", "output": "y", "history": [["q"]]}, "something else"),
        ({"messages": [{"role": "user", "content": "x"}], "label": "sports"}, "neither true"),
        ({"prompt": "x", "chosen": "a", "rejected": [3]}, "where a message"),
        ({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x"}],
          "rejected": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "y"}]},
         "same prompt"),
        ({"prompt": "x", "completion": "y", "tools": "no"}, "tools is no JSON"),
        ({"chosen": "a", "rejected": "b"}, "first turn must be the user's"),
        ({"messages": [{"role": "user", "content": "x"},
                       {"role": "assistant", "content": "y", "weight": 0}]}, "the weight 0"),
    ],
)  # fmt: skip
def test_a_bad_row_says_why(inputs: dict[str, Any], says: str):
    assert says in why(inputs)


def test_as_the_trainer_reads_it():
    asked = {"role": "user", "content": "What is 2 + 2?"}
    said = {"role": "assistant", "content": "4"}
    assert as_trl(SftRow((ASK, SAY))) == {"messages": [asked, said]}
    pair = PairRow((ASK,), (SAY,), (Turn("assistant", "5"),))
    assert as_trl(pair) == {
        "prompt": [asked], "chosen": [said], "rejected": [{"role": "assistant", "content": "5"}],
    }  # fmt: skip
    thumb = ThumbRow((ASK,), (SAY,), False)
    assert as_trl(thumb) == {"prompt": [asked], "completion": [said], "label": False}
    called = as_trl(SftRow(CALLED, TOOLS))
    assert called["tools"] == json.loads(TOOLS)
    assert called["messages"][1]["tool_calls"] == json.loads(CALL)  # pyright: ignore
    assert prompt_of(SftRow(CALLED)) == (ASK,)


def test_a_row_as_another_kind():
    pair = PairRow((ASK,), (SAY,), (Turn("assistant", "5"),))
    assert as_kind(pair, "sft") == (SftRow((ASK, SAY)),)
    good, bad = as_kind(pair, "kto")
    assert (good, bad) == (
        ThumbRow((ASK,), (SAY,), True),
        ThumbRow((ASK,), (Turn("assistant", "5"),), False),
    )
    assert as_kind(good, "sft") == (SftRow((ASK, SAY)),)
    assert as_kind(bad, "sft") == ()
    assert as_kind(SftRow((ASK, SAY)), "dpo") == ()
    assert as_kind(SftRow((ASK, SAY)), "kto") == (good,)


_text = st.text(max_size=6) | st.sampled_from(
    ['[{"role":"user","content":"x"}]', '{"a":1}', "[]", "  [{", " ", '{"role":"assistant"}']
)
_call = st.builds(
    lambda name, given: {"type": "function", "function": {"name": name, "arguments": given}},
    st.text(min_size=1, max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9) | st.text(max_size=3), max_size=2),
)
_calls = st.lists(_call, min_size=1, max_size=2).map(canonical_json)
_said = st.builds(lambda text: (Turn("assistant", text),), _text) | st.builds(
    lambda calls, result, text: (
        Turn("assistant", "", calls), Turn("tool", result), Turn("assistant", text)
    ),
    _calls, _text, _text,
)  # fmt: skip
_prompt = st.builds(
    lambda system, rounds, last: (
        *(() if system is None else (Turn("system", system),)),
        *(turn for asked, said in rounds for turn in (Turn("user", asked), *said)),
        Turn("user", last),
    ),
    st.none() | _text.filter(str.strip), st.lists(st.tuples(_text, _said), max_size=2), _text,
)  # fmt: skip
_tools = st.sampled_from(["", TOOLS])
_row = (
    st.builds(lambda prompt, said, tools: SftRow(prompt + said, tools), _prompt, _said, _tools)
    | st.builds(PairRow, _prompt, _said, _said, _tools)
    | st.builds(ThumbRow, _prompt, _said, st.booleans(), _tools)
)


@given(_row)
@settings(max_examples=5_000 if DEEP else 200, deadline=None)
def test_any_row_survives_every_format(one: Row):
    assert row(*as_columns(one)) == one
    for form in FORMS:
        try:
            written = as_format(one, form)
        except Invalid:
            continue
        assert row(json.loads(json.dumps(written))) == one, form


@needs_data
@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("ft_llamafactory/alpaca_en_demo.json", "sft", 999),
        ("ft_llamafactory/alpaca_zh_demo.json", "sft", None),
        ("ft_llamafactory/identity.json", "sft", 91),
        ("ft_llamafactory/dpo_en_demo.json", "dpo", 300),
        ("ft_llamafactory/dpo_zh_demo.json", "dpo", 300),
        ("ft_llamafactory/v1_dpo_demo.jsonl", "dpo", 10),
        ("ft_llamafactory/kto_en_demo.json", "kto", 300),
        ("ft_llamafactory/glaive_toolcall_en_demo.json", "sft", 300),
        ("ft_llamafactory/glaive_toolcall_zh_demo.json", "sft", 300),
        ("ft_sharegpt_dummy/dummy_conversation.json", "sft", 500),
    ],
)
def test_real_files(name: str, kind: str, rows: int | None):
    parsed = read_cases(DATA / name)
    assert kind_of(parsed.columns) == kind
    found = [read_row(case.inputs, case.expected) for case in parsed.cases]
    bad = [one for one in found if isinstance(one, Unread)]
    assert not bad, bad[:3]
    read = [one for one in found if not isinstance(one, Unread)]
    assert {one.kind for one in read} == {kind}
    assert len(read) == (rows or len(parsed.cases))
    for form in ("sharegpt", "messages"):
        out = io.BytesIO()
        assert write_format(read, form, "jsonl", out) == len(read)
        again = [row(json.loads(line)) for line in out.getvalue().split(b"\n") if line]
        assert again == read
    out = io.BytesIO()
    write_format(read, "messages", "json", out)
    assert len(json.loads(out.getvalue())) == len(read)
    for one in read[:50]:
        assert row(*as_columns(one)) == one
