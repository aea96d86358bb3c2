"""Evaluators of answers from a knowledge base."""

import json

import pytest

from evalsets.evaluators.grounded import Cites, ContextRecall, Refused
from evalsets.evaluators.grounded_judges import AnswerRelevance, Faithfulness
from evalsets.evaluators.refusals import says_not_in_context
from evalsets.evaluators.sentences import sentences
from evalsets.evaluators.specs import parse_evaluator
from evalsets.evaluators.subjects import Passage, Relevant, Subject
from prompts.checks import check_content


def source(n: int, document: str, start: int = 0, end: int = 100) -> dict[str, object]:
    return {
        "n": n, "document": document, "document_id": f"id-{document}", "chunk_id": f"c{n}",
        "title": "", "page": None, "score": 1.0, "start": start, "end": end,
    }  # fmt: skip


SOURCES = [source(1, "hr/leave.md"), source(2, "travel.md", 100, 200)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("leave.md", 1.0), ("hr/leave.md", 1.0), ("leave.md, travel.md", 1.0),
        (["leave.md", "gone.md"], 0.5), ('["gone.md"]', 0.0), ("leave.md\nleave.md", 1.0),
        ("eave.md", 0.0),
    ],
)  # fmt: skip
def test_recall_by_the_names_of_documents(column: object, value: float) -> None:
    subject = Subject("", inputs={"relevant": column}, sources=SOURCES)  # type: ignore[dict-item]
    assert ContextRecall().score(subject).value == value


def test_recall_by_marked_passages_of_which_half_must_be_there() -> None:
    def recall(*places: tuple[int, int]) -> float | None:
        relevant = [Relevant("id-travel.md", "travel.md", *place) for place in places]
        return ContextRecall().score(Subject("", sources=SOURCES, relevant=relevant)).value

    assert recall((100, 200)) == 1.0
    assert recall((150, 250)) == 1.0
    assert recall((151, 251)) == 0.0
    assert recall((120, 130), (300, 310)) == 0.5
    halves = [source(1, "travel.md", 0, 30), source(2, "travel.md", 70, 100)]
    marked = [Relevant("id-travel.md", "travel.md", 0, 100)]
    assert ContextRecall().score(Subject("", sources=halves, relevant=marked)).value == 1.0


def test_what_cannot_be_told_is_unscored() -> None:
    assert ContextRecall().score(Subject("", sources=SOURCES)).value is None
    assert ContextRecall().score(Subject("", inputs={"relevant": "a"})).value is None
    assert ContextRecall(column="docs").score(
        Subject("", inputs={"docs": "travel.md"}, sources=SOURCES)
    ) == (1.0, "1 of 1 found")
    assert Cites().score(Subject("It is so [1].")).value is None
    assert Cites().score(Subject("It is so.", sources=[])).value is None


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("27 days [1].", 1.0), ("27 days [1, 2]. Trains [2].", 1.0), ("27天【1】。", 1.0),
        ("27 days [1][7].", 0.5), ("27 days [3].", 0.0), ("27 days.", 0.0), ("See [0].", 0.0),
        ("The context does not mention it.", None), ("Both [1、2]", 1.0),
    ],
)  # fmt: skip
def test_citations_exist_or_not(answer: str, value: float | None) -> None:
    assert Cites().score(Subject(answer, sources=SOURCES)).value == value


REFUSALS = [
    "The answer is not in the context.",
    "This is not in the given context.",
    "It is not mentioned in the provided documents.",
    "The context does not contain this information.",
    "The passages don't say how long it takes.",
    "I'm sorry. The documents do not provide an answer.",
    "Sorry, I could not find that.",
    "I cannot answer this from the context.",
    "I don't know.",
    "I do not have enough information to answer.",
    "There is no information about parking in the passages.",
    "None of the documents mention parking.",
    "Unfortunately, the context says nothing about it.",
    "上下文中没有提到这一点。",
    "抱歉，文档中没有相关信息。",
    "根据提供的资料，无法回答这个问题。",
    "资料未说明。",
    "該問題的答案不在文件中。",
    "參考資料沒有提到。",
    "我不知道。",
]
ANSWERS = [
    "Every employee has 27 days of leave [1].",
    "Trains are booked in second class. The context does not mention planes.",
    "Do not travel in first class.",
    "No, hotels cost at most 120 euros [2].",
    "You cannot carry days over to the next year [1].",
    "每位员工每年有27天假期【1】。",
    "不可以，酒店每晚最多120欧元。",
    "员工没有加班费。",
    "",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_known(text: str) -> None:
    assert says_not_in_context(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not says_not_in_context(text)


def test_it_refuses_when_it_should() -> None:
    def refused(output: str, expected: str | None, *tags: str) -> float | None:
        return Refused().score(Subject(output, expected=expected, tags=tags)).value

    no, yes = REFUSALS[0], ANSWERS[0]
    assert [refused(no, "27"), refused(yes, "27")] == [0.0, 1.0]
    assert [refused(no, ""), refused(yes, None)] == [1.0, 0.0]
    assert [refused(no, "It is not in the context"), refused(yes, "上下文中没有提到")] == [1.0, 0.0]
    assert [refused(no, "27", "unanswerable"), refused(yes, "27", "hard")] == [1.0, 1.0]
    assert Refused(tag="none").score(Subject(no, expected="27", tags=["none"])).value == 1.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3), ("It costs 3.50 euros a day.", 1), ("", 0), ("[1]", 1),
        ("Days end in March. [1] Trains too.[2]", 2), ("一。二！三？", 3), ("- one\n- two\n\n- three", 3),
        ("1. First\n2. Second", 2), ("See e.g. Dr. J. Smith vs. others.", 1), ("***\n---", 0),
        ("年假27天。【1】火车二等座。", 2), ("هل هذا صحيح؟ نعم.", 2),
    ],
)  # fmt: skip
def test_sentences(text: str, count: int) -> None:
    found = sentences(text)
    assert len(found) == count, found


ASKED = Subject(
    "Leave is 27 days [1]. It may be sold. Hello!",
    passages=[Passage(1, "a", "27 days of leave"), Passage(2, "b", "Trains")],
)


def support(*passages: list[int] | None) -> str:
    entries = [{"sentence": n, "passages": one} for n, one in enumerate(passages, 1)]
    return json.dumps({"sentences": entries})


def test_faithfulness_is_the_supported_share_and_names_the_others() -> None:
    judge = Faithfulness()
    score = judge.parse(support([1], [], None), ASKED)
    assert score.value == 0.5
    assert score.reason.endswith("not supported: It may be sold.")
    assert judge.parse(f"<think>hm</think>```json\n{support([1], [2], [1, 2])}\n```", ASKED)[0] == 1
    assert judge.parse(support(None, None, None), ASKED).value is None


@pytest.mark.parametrize(
    "text",
    [
        "", "yes", "[]", "{}", support([1], []), support([1], [], [], []), support([1], [3], []),
        support([1], [], "2"), '{"sentences": [{"sentence": 1}]}',  # type: ignore[arg-type]
        '{"sentences": [{"sentence": 1, "passages": []}, {"sentence": 1, "passages": []}, '
        '{"sentence": 3, "passages": []}]}',
        support([True], [], []), '{"sentences": {"1": []}}',
    ],
)  # fmt: skip
def test_nonsense_of_a_judge_of_sentences_is_unscored(text: str) -> None:
    assert Faithfulness().parse(text, ASKED).value is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"reason": "ok", "score": 0.75}', 0.75), ('{"score": 1}', 1.0), ('{"score": true}', None),
        ('{"score": 1.5}', None), ('{"score": "1"}', None), ("0.5", None), ("", None),
    ],
)  # fmt: skip
def test_relevance_of_an_answer(text: str, value: float | None) -> None:
    assert AnswerRelevance().parse(text).value == value


def test_the_built_in_prompts_read_what_they_are_given() -> None:
    for judge in (Faithfulness(), AnswerRelevance()):
        report = check_content(judge.content())
        assert set(report.used) <= judge.variables(ASKED).keys()


def test_the_kinds_are_named_like_the_others() -> None:
    assert parse_evaluator("context_recall:docs") == ContextRecall(column="docs")
    assert parse_evaluator("faithfulness:big") == Faithfulness(model="big")
    assert [parse_evaluator(kind).kind for kind in ("cites", "refused", "answer_relevance")] == [
        "cites", "refused", "answer_relevance",
    ]  # fmt: skip
