"""Drift of inputs: what is seen of a call, which changes are told, and what is read for it."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from core.database import Database
from serving.drift import LONGEST, MOST, input_drift
from serving.drift_rule import LEAST, FieldDrift, drift
from serving.drift_seen import MESSAGE, Seen, script_of, seen, seen_in
from serving.lookup import need_app
from serving.records import CallContent
from tests.support.calls import make_app, make_calls

ACTOR = "user:test"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Hello, 你好!", "Latin"),
        ("退货需要多长时间？A4", "Han"),
        ("返品はどうすればいいですか", "Kana"),
        ("أين طلبي؟", "Arabic"),
        ("Где мой заказ", "Cyrillic"),
        ("주문은 어디에", "Hangul"),
        ("12345 !?", ""),
        ("", ""),
        ("ᚠᚢᚦ", "Other"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert script_of(text) == script


def test_what_is_seen_of_a_value() -> None:
    assert seen("hi") == Seen(2, "Latin", None, "hi")
    assert seen("x" * 101) == Seen(101, "Latin", None, None)
    assert seen(3) == Seen(number=3.0, choice="3")
    assert seen(True) == Seen(choice="true")
    assert seen(None) == seen([1]) == seen({"a": "b"}) == Seen()
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bcd"}]
    assert seen_in({"q": "x"}, turns) == {"q": seen("x"), MESSAGE: seen("a")}


def field(before: list[Any], now: list[Any]) -> FieldDrift:
    (found,) = drift([{"x": seen(v)} for v in before], [{"x": seen(v)} for v in now])
    return found


def texts(count: int, words: int, seed: int, letters: str = "abcdefgh") -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join("".join(draw.choices(letters, k=5)) for _ in range(draw.randint(1, words)))
        for _ in range(count)
    ]


def told(found: FieldDrift) -> set[str]:
    return {change.what for change in found.changes if change.drifted}


def test_longer_texts_are_told_with_their_medians() -> None:
    found = field(texts(200, 10, 1), texts(200, 30, 2))
    assert told(found) == {"length"}
    (length,) = (change for change in found.changes if change.what == "length")
    assert length.medians is not None
    assert length.medians[1] > 2 * length.medians[0]


def test_another_script_is_told_with_its_shares() -> None:
    found = field(texts(200, 10, 1), texts(150, 10, 2) + texts(50, 10, 3, "你好世界退货订单"))
    assert told(found) == {"script"}
    (script,) = (change for change in found.changes if change.what == "script")
    assert [(row.value, row.before, row.now) for row in script.rows] == [
        ("Latin", 1, 0.75),
        ("Han", 0, 0.25),
    ]


def test_new_values_of_a_choice_are_named() -> None:
    before = ["news", "sport"] * 100
    assert not field(before, ["sport", "news"] * 60).drifted
    found = field(before, ["news", "sport"] * 45 + ["weather"] * 29 + ["typo"])
    assert told(found) == {"choice"}
    (choice,) = (change for change in found.changes if change.what == "choice")
    assert choice.new == ("weather",)
    assert field(before, ["news"] * 150 + ["sport"] * 30).drifted


def test_numbers_are_compared_as_numbers_unless_they_are_few() -> None:
    draw = random.Random(4)
    wide = field([draw.gauss(0, 1) for _ in range(200)], [draw.gauss(1, 1) for _ in range(200)])
    assert told(wide) == {"number"}
    few = field([1, 2, 3] * 60, [1, 1, 3] * 60)
    assert told(few) == {"choice"}


def test_the_same_traffic_is_rarely_told() -> None:
    """Holm over all that is compared, at 1 %: measured 7 of 1,000."""
    draw = random.Random(5)

    def call() -> dict[str, Seen]:
        return {
            "topic": seen(draw.choice(["a", "b", "c", "d"])),
            "text": Seen(length=int(draw.lognormvariate(4, 1)), script="Latin"),
            "n": seen(draw.random()),
            "lang": Seen(script=draw.choices(["Latin", "Han"], [9, 1])[0]),
        }

    alarms = 0
    for _ in range(60):
        found = drift([call() for _ in range(200)], [call() for _ in range(100)])
        alarms += any(one.drifted for one in found)
    assert alarms <= 3


def test_an_input_with_few_values_is_not_spoken_of() -> None:
    few = [{"x": seen("a b c")}] * (LEAST - 1) + [{}] * 100
    assert drift(few, [{"x": seen("other")}] * 200) == ()


@pytest.fixture
def app(db: Database) -> Database:
    with db.session_scope(ACTOR) as session:
        make_app(session)
    return db


def calls(session: Session, count: int, until: datetime, text: str, **fields: Any) -> None:
    content = CallContent(inputs={"topic": text}, given=[{"role": "user", "content": text * 3}])
    make_calls(session, need_app(session, "faq"), count, until=until, fields=lambda n: {"content": content, **fields})  # fmt: skip


def test_a_release_is_compared_with_its_own_first_calls(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        calls(session, 60, NOW - timedelta(days=9), "cats", release=2)
        calls(session, 60, NOW - timedelta(days=5), "birds", release=1)
        calls(session, 60, NOW - timedelta(hours=1), "elephants", release=2)
        calls(session, 9, NOW - timedelta(hours=1), "cats", release=1)
    with app.read_scope() as session:
        found = input_drift(session, need_app(session, "faq"), release=2, now=NOW)
    assert (found.reference, found.before.n, found.now.n, found.enough) == ("release", 60, 60, True)
    assert found.before.last == NOW - timedelta(days=9)
    assert {one.name for one in found.fields if one.drifted} == {"topic", MESSAGE}


def test_without_first_calls_the_week_before_counts(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        calls(session, 70, NOW - timedelta(days=9), "old", release=1)
        calls(session, 60, NOW - timedelta(days=2), "birds", release=1)
        calls(session, 60, NOW - timedelta(hours=1), "birds", release=2)
    with app.read_scope() as session:
        of_release = input_drift(session, need_app(session, "faq"), release=2, now=NOW)
        of_all = input_drift(session, need_app(session, "faq"), now=NOW)
    for found in (of_release, of_all):
        assert (found.reference, found.before.n, found.now.n) == ("week", 60, 60)
        assert not any(one.drifted for one in found.fields)


def test_below_fifty_calls_nothing_is_shown(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        calls(session, LEAST - 1, NOW - timedelta(days=2), "birds")
        calls(session, 60, NOW - timedelta(hours=1), "elephants")
    with app.read_scope() as session:
        found = input_drift(session, need_app(session, "faq"), now=NOW)
    assert (found.before.n, found.now.n, found.enough, found.fields) == (49, 60, False, ())


def test_what_is_read_is_bounded(app: Database) -> None:
    with app.session_scope(ACTOR) as session:
        calls(session, MOST + 20, NOW - timedelta(hours=1), "x")
        calls(session, 3, NOW - timedelta(hours=1, seconds=2), "y" * LONGEST)
        calls(session, 5, NOW - timedelta(hours=1), "z", content=None)  # content is not logged
    with app.read_scope() as session:
        found = input_drift(session, need_app(session, "faq"), now=NOW)
    assert (found.now.n, found.now.left_out) == (MOST, 3)
    assert found.before == (0, None, None, 0)
