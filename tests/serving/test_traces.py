"""Calls are found, paged without deep offsets, shown whole, exported, and gone when it is time."""

import json
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from core.clock import utcnow
from core.database import Database
from core.errors import Invalid, NotFound
from serving import retention, service, trace_filters
from serving.models import App, Conversation, Feedback, Review, Trace, TraceContent
from serving.trace_filters import TraceFilter
from serving.trace_json import document, summary
from serving.traces import count_newer, get_trace, iter_traces, page_traces
from tests.support.calls import call, id_at, make_app, make_calls, make_key, said, store

NOW = utcnow()


@pytest.fixture
def app(db: Database) -> App:
    with db.session_scope("test") as session:
        return make_app(session)


def found(session: Session, **asked) -> list[str]:
    return [row.id for row in page_traces(session, TraceFilter(**asked)).rows]


def test_pages_go_to_the_end_and_back(db: Database, app: App):
    with db.session_scope("test") as session:
        made = make_calls(session, app, 120, every=timedelta(0))  # all at one moment
    with db.read_scope() as session:
        first = page_traces(session, TraceFilter(app="faq"))
        second = page_traces(session, TraceFilter(), after=first.after)
        third = page_traces(session, TraceFilter(), after=second.after)
        rows = [row.id for page in (first, second, third) for row in page.rows]
        assert rows == sorted(made, reverse=True)
        assert (len(third.rows), third.after, first.before) == (20, None, None)
        back = page_traces(session, TraceFilter(), before=third.before)
        assert [row.id for row in back.rows] == [row.id for row in second.rows]
        top = page_traces(session, TraceFilter(), before=back.before)
        assert [row.id for row in top.rows] == [row.id for row in first.rows]
        assert (top.before, top.after) == (None, first.after)


def test_a_cursor_that_expired_still_stands_where_it_stood(db: Database, app: App):
    with db.session_scope("test") as session:
        made = make_calls(session, app, 6, every=timedelta(minutes=1))
        session.delete(session.get(Trace, made[3]))
    with db.read_scope() as session:
        page = page_traces(session, TraceFilter(), after=made[3])
        assert [row.id for row in page.rows] == made[2::-1]
        for wrong in ("", "x", made[0][:25], "Z" * 26, "é" * 26):
            with pytest.raises(Invalid, match="request id"):
                page_traces(session, TraceFilter(), after=wrong)


def test_filters(db: Database, app: App):
    with db.session_scope("test") as session:
        other = make_app(session, "other")
        key = make_key(session, "shop", app)
        bad = store(session, [call(app, release=1, key_id=key.id)], rating="bad", review="open")
        good = store(session, [call(app, user="u1")], rating="good", review="done")
        failed = store(session, [call(app, state="failed", status=502, error="no answer")])
        blocked = store(session, [call(other, NOW - timedelta(days=2), state="blocked")])
        pinned = store(session, [call(other, state="pinned")])
        session.add(
            Feedback(trace_id=bad[0], app_id=app.id, reasons=['too "long"', "wrong"], actor="a")
        )
    with db.read_scope() as session:
        assert found(session, app="other") == [*pinned, *blocked]
        assert found(session, rating="bad") == bad == found(session, release=1)
        assert found(session, rating="good") == good == found(session, user="u1")
        assert set(found(session, rating="none")) == {*failed, *blocked, *pinned}
        assert found(session, state="failed") == failed
        assert found(session, state="blocked") == blocked
        assert set(found(session, state="ok")) == {*bad, *good, *pinned}
        assert found(session, state="aborted") == []
        assert found(session, key="shop") == bad == found(session, key=key.id)
        assert found(session, reason='too "long"') == bad
        assert found(session, reason="too") == []
        assert found(session, review="open") == bad
        assert found(session, review="done", rating="good") == good
        assert found(session, until=NOW - timedelta(days=1)) == blocked
        assert blocked[0] not in found(session, since=NOW - timedelta(days=1))
        with pytest.raises(NotFound, match="no app"):
            found(session, app="nobody")
        with pytest.raises(Invalid, match="Use one of ok, failed"):
            found(session, state="broken")


def test_text_is_found_wherever_it_was_said(db: Database, app: App):
    with db.session_scope("test") as session:
        asked = store(session, [call(app, content=said('My 100% "order"_1', "Fine."))])
        answered = store(session, [call(app, content=said("hi", "x" * 300 + " Überlauf\x00\\ "))])
        failed = store(session, [call(app, content=None, state="failed", error="Quota used up")])
    with db.read_scope() as session:
        assert found(session, text='100% "ORDER"_') == asked
        assert found(session, text="100_") == []
        assert found(session, text="berlauf\x00\\") == answered
        assert found(session, text="quota USED") == failed
        assert found(session, text=failed[0].lower()) == failed
        with pytest.raises(Invalid, match="half"):
            found(session, text="\ud800")


def test_a_search_goes_on_where_it_stopped(db: Database, app: App, monkeypatch):
    monkeypatch.setattr("serving.traces.MOST_SEARCHED", 20)
    with db.session_scope("test") as session:
        make_calls(
            session, app, 50, fields=lambda n: {"content": said("rare" if n in (3, 4) else "-")}
        )
    with db.read_scope() as session:
        asked, seen, after, cuts = TraceFilter(text="rare"), [], None, 0
        while True:
            page = page_traces(session, asked, after=after)
            seen += page.rows
            cuts += page.cut
            after = page.after
            if after is None:
                break
    assert len(seen) == 2
    assert cuts == 2


def test_newer_ones_are_counted(db: Database, app: App):
    with db.session_scope("test") as session:
        made = make_calls(session, app, 5)
        make_calls(session, make_app(session, "other"), 3)
    with db.read_scope() as session:
        assert count_newer(session, TraceFilter(app="faq"), made[2]) == 2
        assert count_newer(session, TraceFilter(), None) == 8


def test_one_call_with_everything(db: Database, app: App):
    with db.session_scope("test") as session:
        key = make_key(session, "shop", app)
        (one,) = store(session, [call(app, key_id=key.id, user="u1")], rating="bad")
        first = {"trace_id": one, "app_id": app.id, "actor": "key:shop"}
        session.add(Feedback(**first, rating="good", at=NOW - timedelta(seconds=5)))
        session.add(Feedback(**first, rating="bad", comment="no", at=NOW))
        session.add(
            Review(trace_id=one, app_id=app.id, decision="corrected", correction="x", actor="ann")
        )
        (dark,) = store(session, [call(app, content=None, cost=None)])
    with db.read_scope() as session:
        shown = document(get_trace(session, one))
        hidden = document(get_trace(session, dark))
        with pytest.raises(NotFound, match="no call"):
            get_trace(session, id_at(NOW))
    assert shown["key"] == "shop"
    assert [(f["rating"], f["comment"]) for f in shown["feedback"]] == [("good", ""), ("bad", "no")]
    assert shown["decision"]["decision"] == "corrected"
    assert shown["messages"][0] == {"role": "system", "content": "Be kind."}
    assert shown["steps"][1]["name"] == "echo"
    assert shown["cost_usd"] == "0.000125"
    assert shown["tokens"] == {"input": 20, "output": 5}
    assert (hidden["output"], hidden["steps"], hidden["cost_usd"]) == (None, None, None)
    json.dumps([shown, hidden])


def test_a_line_of_the_list_has_what_the_contract_names(db: Database, app: App):
    wanted = {"request_id", "app", "release", "at", "status", "latency_ms", "ttft_ms", "tokens"}
    with db.session_scope("test") as session:
        store(session, [call(app)])
        row = page_traces(session, TraceFilter()).rows[0]
    assert wanted | {"cost_usd", "rating"} <= summary(row).keys()


def test_all_are_walked_in_batches(db: Database, app: App, monkeypatch):
    monkeypatch.setattr("serving.traces._BATCH", 7)
    with db.session_scope("test") as session:
        made = make_calls(session, app, 20)
    assert [one.row.id for one in iter_traces(db, TraceFilter())] == made[::-1]
    assert len(list(iter_traces(db, TraceFilter(), limit=9))) == 9


def test_calls_go_after_their_apps_days(db: Database):
    with db.session_scope("test") as session:
        short, long = make_app(session, "short", retention_days=3), make_app(session, "long")
        gone = make_app(session, "gone")
        made = {
            app.name: make_calls(session, app, 10, every=timedelta(days=1), until=NOW)
            for app in (short, long, gone)
        }
        old = made["short"][0]
        session.add(Feedback(trace_id=old, app_id=short.id, actor="a"))
        session.add(Review(trace_id=old, app_id=short.id, decision="fine", actor="a"))
        for days, name in ((1, "new"), (4, "old")):
            moment = NOW - timedelta(days=days)
            session.add(
                Conversation(app_id=short.id, owner="k", id=name, turns=[], updated_at=moment)
            )
        session.delete(gone)
    went = []
    while True:
        with db.session_scope("system") as session:
            went.append(retention.expire(session, NOW, 4))
        if not went[-1]:
            break
    assert sum(went) == 6 + 10 + 1
    assert max(went) <= 4
    with db.read_scope() as session:
        kept = set(session.exec(select(Trace.id)))
        assert kept == {*made["long"], *made["short"][6:]}
        assert set(session.exec(select(TraceContent.id))) == kept
        assert list(session.exec(select(Feedback))) == list(session.exec(select(Review))) == []
        assert [one.id for one in session.exec(select(Conversation))] == ["new"]


def test_an_app_that_is_deleted_takes_its_calls_along(db: Database, app: App):
    with db.session_scope("test") as session:
        make_calls(session, app, 3)
        service.delete_app(session, "faq")
        assert list(session.exec(select(Trace))) == list(session.exec(select(TraceContent))) == []


def test_a_request_id_tells_its_moment():
    assert abs(trace_filters.moment_of(id_at(NOW)) - NOW) < timedelta(milliseconds=2)
