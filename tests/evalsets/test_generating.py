"""Cases that a model wrote: strictly parsed, marked, none that is there already."""

import json

import pytest

from core.errors import Invalid
from evalsets.files.cases import CaseRow
from evalsets.improving.generating import MOST_TEXT, Material, generated, messages, schema
from evalsets.improving.passages import Passage

KNOWN = (
    CaseRow("a", {"topic": "How do I return a broken kettle?"}, "By post."),
    CaseRow("b", {"topic": "A secret question about the holdout"}, split="holdout"),
)
MATERIAL = Material(("topic",), 5, "A shop's help desk", known=KNOWN)


def said(*topics: object, **more: object) -> str:
    cases = [{"inputs": {"topic": topic}, "expected": None} for topic in topics]
    return json.dumps({"cases": cases, **more})


def test_near_duplicates_of_all_cases_are_left_out_and_counted():
    found = generated(
        said(
            "How do I return a broken kettle", "a SECRET question about the holdout!",
            "Where is my parcel?", "Where is my parcel", "Opening hours?",
        ),
        MATERIAL,
    )  # fmt: skip
    assert [case.inputs["topic"] for case in found.cases] == [
        "Where is my parcel?",
        "Opening hours?",
    ]
    assert found.near_duplicates == 3
    assert {case.tags for case in found.cases} == {("synthetic",)}
    assert [case.split for case in found.cases] == [None, None]


def test_what_is_no_case_is_counted_and_no_more_are_taken_than_asked():
    cases = [
        {"inputs": {"topic": 3}}, {"inputs": {"other": "x"}}, {"inputs": {"topic": " "}}, "x",
        {"inputs": {"topic": "退货怎么办？"}, "expected": "寄回"}, {"inputs": {"topic": "sixth"}},
    ]  # fmt: skip
    found = generated(json.dumps({"cases": cases}, ensure_ascii=False), MATERIAL)
    assert (len(found.cases), found.near_duplicates, found.faulty) == (1, 0, 4)
    assert found.cases[0].expected == "寄回"


@pytest.mark.parametrize("answer", ["Here are cases", "[]", '{"cases": 3}', said("x", split="dev")])
def test_other_words_are_refused(answer: str):
    with pytest.raises(Invalid, match="not one JSON object with cases"):
        generated(answer, MATERIAL)


def test_held_out_cases_are_not_shown():
    text = json.dumps(messages(MATERIAL))
    assert "broken kettle" in text
    assert "secret" not in text
    assert schema(MATERIAL)["additionalProperties"] is False


@pytest.mark.parametrize(
    ("material", "why"),
    [
        (MATERIAL._replace(describe=" "), "nothing to write"),
        (MATERIAL._replace(columns=("expected",)), "called 'expected'"),
        (MATERIAL._replace(wanted=101), "at most"),
        (MATERIAL._replace(text="x" * (MOST_TEXT + 1)), "Take a part"),
    ],
)
def test_what_nothing_can_be_written_from(material: Material, why: str):
    with pytest.raises(Invalid, match=why):
        messages(material)


PASSAGES = (Passage("a.md", "a.md 0-9", "Tea is hot."), Passage("b.md", "b.md 5-9", "Ice is cold."))


def test_cases_from_passages_keep_where_they_come_from() -> None:
    known = CaseRow("1", {"q": "Is tea hot?", "relevant": ["a.md"], "passage": "a.md 0-9"}, line=1)
    material = Material(["q"], 9, known=[known], passages=PASSAGES)
    system, user = messages(material)
    assert 'numbered "passages"' in str(system["content"])
    shown = json.loads(str(user["content"]).rsplit("\n\n", 1)[0])
    assert [one["passage"] for one in shown["passages"]] == [1, 2]
    assert shown["existing_cases"] == [{"inputs": {"q": "Is tea hot?"}, "expected": None}]
    cases = [
        {"inputs": {"q": "How is ice?"}, "expected": "cold", "passage": 2},
        {"inputs": {"q": "Is tea hot"}, "expected": None, "passage": 2},
        {"inputs": {"q": "What is the sea like?"}, "expected": None, "passage": 3},
        {"inputs": {"q": "What is a mountain?"}, "expected": None},
    ]
    found = generated(json.dumps({"cases": cases}), material)
    assert (found.near_duplicates, found.faulty) == (1, 2)
    (case,) = found.cases
    assert case.inputs == {"q": "How is ice?", "relevant": ["b.md"], "passage": "b.md 5-9"}
    with pytest.raises(Invalid, match="relevant"):
        messages(Material(["relevant"], 1, passages=PASSAGES))
