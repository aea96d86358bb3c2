"""Feedback is kept in full, the last word counts, and nothing of another app is told."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from core.clock import utcnow
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from serving.feedback import MOST_OF_A_CALL, give, on_its_way, reasons_of
from serving.models import App, Feedback, Review, Trace
from tests.support.calls import call, id_at, make_app, store


@pytest.fixture
def one(db: Database) -> str:
    with db.session_scope("test") as session:
        (found,) = store(session, [call(make_app(session))])
        return found


def say(db: Database, request_id: str, rating: str | None = None, app_ids=None, **words) -> None:
    with db.session_scope("key:shop") as session:
        give(
            session, app_ids=app_ids, request_id=request_id, rating=rating, actor="key:shop",
            **words,
        )  # fmt: skip


def standing(db: Database, request_id: str) -> tuple[str | None, str | None, int]:
    """Rating, review, and how much feedback there is."""
    with db.read_scope() as session:
        trace = session.get(Trace, request_id)
        assert trace is not None
        rows = session.exec(select(Feedback).where(Feedback.trace_id == request_id)).all()
        return trace.rating, trace.review, len(rows)


def test_the_last_word_counts_and_the_history_stays(db: Database, one: str):
    say(db, one, "good")
    assert standing(db, one) == ("good", None, 1)
    say(db, one, "bad", reasons=[" wrong ", "wrong", "", "rude"])
    assert standing(db, one) == ("bad", "open", 2)
    say(db, one, "bad", reasons=["wrong", "rude"])  # the same request, sent again
    assert standing(db, one) == ("bad", "open", 2)
    say(db, one, "good")
    assert standing(db, one) == ("good", None, 3)
    with db.read_scope() as session:
        rows = session.exec(select(Feedback).order_by(col(Feedback.at))).all()
        assert [row.rating for row in rows] == ["good", "bad", "good"]
        assert rows[1].reasons == ["wrong", "rude"]
        assert [tuple(r) for r in reasons_of(session, None)] == [("rude", 1), ("wrong", 1)]


def test_words_join_the_rating_and_nothing_takes_it_back(db: Database, one: str):
    say(db, one, "good")
    say(db, one, comment="But the date is wrong.")
    assert standing(db, one) == ("good", "open", 2)
    say(db, one)
    assert standing(db, one) == (None, "open", 3)  # what was written still asks to be read


def test_a_bad_rating_that_is_taken_back_asks_for_nothing(db: Database, one: str):
    say(db, one, "bad")
    say(db, one)
    assert standing(db, one) == (None, None, 2)


def test_what_comes_after_a_review_opens_it_again(db: Database, one: str):
    say(db, one, "bad")
    with db.session_scope("user:ann") as session:
        trace = session.get(Trace, one)
        assert trace is not None
        session.add(Review(trace_id=one, app_id=trace.app_id, decision="fine", actor="user:ann"))
        trace.review = "done"
    say(db, one, "good")
    assert standing(db, one) == ("good", "done", 2)
    say(db, one, correction="Better so.")
    assert standing(db, one) == ("good", "open", 3)


def test_a_call_of_another_app_is_unknown(db: Database, one: str):
    with db.session_scope("test") as session:
        mine, other = session.exec(select(App.id)).one(), make_app(session, "other").id
    said = []
    for request_id in (one, id_at(utcnow()), "nothing", "a'--"):
        with pytest.raises(NotFound) as error:
            say(db, request_id, "bad", frozenset([other]))
        said.append(error.value.message.replace(request_id, "ID"))
    assert len({text.replace('"', "'") for text in said}) == 1
    assert standing(db, one) == (None, None, 0)
    say(db, one, "bad", frozenset([mine]))  # the control
    assert standing(db, one)[0] == "bad"


@pytest.mark.parametrize(
    ("words", "param"),
    [
        ({"rating": "excellent"}, "rating"),
        ({"reasons": [str(n) for n in range(21)]}, "reasons"),
        ({"reasons": ["x" * 201]}, "reasons"),
        ({"comment": "x" * 10_001}, "comment"),
        ({"correction": "x" * 200_001}, "correction"),
        ({"comment": "\ud800"}, "comment"),
        ({"reasons": ["\udfff"]}, "reasons"),
    ],
)
def test_limits(sqlite_db: Database, words: dict, param: str):
    with pytest.raises(Invalid) as error:
        say(sqlite_db, "x", **words)
    assert error.value.param == param


def test_a_correction_keeps_its_white_space(db: Database, one: str):
    say(db, one, correction="  two\n lines\x00 ", comment=" \n")
    with db.read_scope() as session:
        row = session.exec(select(Feedback)).one()
    assert (row.correction, row.comment) == ("  two\n lines\x00 ", "")


def test_nobody_fills_the_disk_with_one_call(sqlite_db: Database):
    with sqlite_db.session_scope("test") as session:
        (one,) = store(session, [call(make_app(session))])
    for n in range(MOST_OF_A_CALL):
        say(sqlite_db, one, "good" if n % 2 else "bad")
    with pytest.raises(Conflict, match="No more"):
        say(sqlite_db, one, "bad")


def test_a_fresh_call_may_be_on_its_way():
    now = utcnow()
    assert on_its_way(id_at(now), now)
    assert not on_its_way(id_at(now - timedelta(seconds=30)), now)
    assert not on_its_way("x")
