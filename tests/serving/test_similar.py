"""Failures that are alike make groups: the same ones every time, and only those that are alike."""

import random
import time
from datetime import timedelta

import pytest

from core.clock import utcnow
from core.database import Database
from core.errors import NotFound
from serving.feedback import give
from serving.grouping import Failure, group, normal_error
from serving.similar import similar_failures
from tests.support.calls import call, make_app, said, store

TOPICS = {
    "order": (
        "Where is my order {n}?", "order {n} is late", "The order {n} did not arrive",
        "when will my order {n} be delivered?",
    ),
    "refund": (
        "I want a refund for {n}", "How do I get a refund?", "my refund is missing",
        "can I get a refund without a receipt",
    ),
    "密码": ("我忘记了密码", "怎么修改密码", "密码不对", "请重置密码"),
}  # fmt: skip


def complaints(count: int, seed: int = 1) -> dict[str, Failure]:
    """Topics of failures, by id in the order of `group`."""
    chance = random.Random(seed)
    made: dict[str, Failure] = {}
    for n in range(count):
        topic = chance.choice(list(TOPICS))
        text = chance.choice(TOPICS[topic]).format(n=chance.randint(1, 9999))
        made[f"{topic}/{n}"] = Failure(f"{topic}/{n}", None, (), text)
    return made


def test_questions_of_one_topic_are_one_group():
    made = complaints(120)
    alone = Failure("alone", None, (), "Xylophones gleam.")
    found = group([*made.values(), alone])
    assert len(found) <= 8  # of twelve ways to ask
    for one in found:
        topics = [member.split("/")[0] for member in one.ids]
        most = max(topics.count(topic) for topic in TOPICS)
        assert most / one.size >= 0.9
    assert found[0].size >= 20
    labels = {term for one in found for term in one.label}
    assert {"order", "refund", "密码"} <= labels
    assert "alone" not in {member for one in found for member in one.ids}


def test_the_same_failures_make_the_same_groups():
    made = list(complaints(60).values())
    assert group(made) == group(made)
    assert group(made, 2.0) == []


def test_reasons_join_what_words_do_not():
    made = [Failure(str(n), None, ("wrong language",), f"word{n} other{n}") for n in range(5)]
    (found,) = group(made)
    assert found.size == 5
    assert found.label == ("wrong language",)


def test_errors_are_alike_but_for_numbers_ids_and_addresses():
    texts = (
        "Model m7 at http://10.0.0.1:8000/v1 gave no answer after 20.1 s (01M835SE4M0EM1CD5VSF27BV50).",
        "Model m8 at http://10.0.0.2:8000/v1 gave no answer after 3 s (01M8364GC3CVT0MNN68BC1PHKN).",
        "Quota used up.",
    )
    assert normal_error(texts[0]) == "Model mN at URL gave no answer after N s (ID)."
    found = group([Failure(str(n), text, (), "") for n, text in enumerate(texts)])
    assert [(one.by, one.label, one.ids) for one in found] == [
        ("error", (normal_error(texts[0]),), ("0", "1"))
    ]


@pytest.mark.parametrize("texts", [[], ["a"], ["", ""], ["?", "!"], ["same", "same"]])
def test_few_or_empty_texts(texts: list[str]):
    found = group([Failure(str(n), None, (), text) for n, text in enumerate(texts)])
    assert len(found) == (texts == ["same", "same"])


def test_no_more_than_two_thousand_are_compared():
    made = [
        Failure(str(n), None, (), f"question {n % 40} about thing{n % 40}") for n in range(2500)
    ]
    begun = time.process_time()
    found = group(made)
    assert time.process_time() - begun < 20
    assert sum(one.size for one in found) == 2000


def test_the_failures_of_an_app(db: Database):
    now = utcnow()
    with db.session_scope("test") as session:
        app, other = make_app(session), make_app(session, "other")
        bad = [
            *store(session, [call(app, now - timedelta(minutes=n), content=said(f"refund {n}?"))
                             for n in range(3)], rating="bad"),
            *store(session, [call(app, now - timedelta(days=9), content=said("a refund"))],
                   rating="bad"),
        ]  # fmt: skip
        failed = store(
            session,
            [call(app, state="failed", error=f"No answer in {n} s.", content=None) for n in (1, 2)],
        )
        store(session, [call(app, content=said("refund liked"))], rating="good")
        store(session, [call(other, content=said("refund elsewhere"))], rating="bad")
        give(
            session, app_ids=None, request_id=bad[3], rating="bad", reasons=["rude"],
            comment="refund", actor="k",
        )  # fmt: skip
    with db.read_scope() as session:
        found = similar_failures(session, "faq")
        assert [(one.by, set(one.ids)) for one in found] == [
            ("words", set(bad)), ("error", set(failed)),
        ]  # fmt: skip
        assert found[0].label[0] == "refund"
        recent = similar_failures(session, "faq", now - timedelta(days=1), now + timedelta(1))
        assert set(recent[0].ids) == set(bad[:3])
        assert similar_failures(session, None)[0].size == 5
        with pytest.raises(NotFound):
            similar_failures(session, "nobody")
