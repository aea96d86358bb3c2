"""Cases that a model wrote: strictly parsed, marked, none that is there already."""

import json

import pytest

from core.errors import Invalid
from evalsets.files.cases import CaseRow
from evalsets.improving.generating import MOST_TEXT, Material, generated, messages, schema

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
    assert schema(("topic",))["additionalProperties"] is False


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
