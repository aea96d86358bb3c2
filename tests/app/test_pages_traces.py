"""Calls and their reviews on their pages."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from app.workspace.components import reviewing, trace_list
from core.clock import utcnow
from core.database import Database
from core.models import User
from evalsets.datasets.cases import page_cases
from evalsets.datasets.service import get
from prompts import scenes
from serving.feedback import give
from serving.models import App, Review, Trace
from serving.records import Step
from tests.support.calls import call, make_app, make_calls, make_key, make_released, said, store
from tests.support.pages import button, page, words

NOW = utcnow()


@pytest.fixture
def db(workspace, sqlite_db: Database) -> Database:
    return sqlite_db


@pytest.fixture
def faq(db: Database) -> App:
    """An app with a prompt, a release, and 60 calls, the newest of them number 59."""
    app = make_released(db)
    with db.session_scope("test") as session:
        make_calls(
            session, app, 60, until=NOW,
            fields=lambda n: {"content": said(f"question {n}", f"answer {n}")},
        )  # fmt: skip
    return app


def add(db: Database, *records, **columns) -> list[str]:
    with db.session_scope("test") as session:
        return store(session, records, **columns)


def shown(found) -> list[str]:
    return list(found.dataframe[0].value["preview"]) if found.dataframe else []


def text(found) -> str:
    return words(found).replace("\\", "").replace("\u2060", "")


def test_fifty_calls_a_page_the_newest_first(faq: App):
    found = page("traces")
    assert not found.exception
    assert shown(found) == [f"answer {n}" for n in range(59, 9, -1)]
    found.button(key="traces_next").click().run()
    assert shown(found) == [f"answer {n}" for n in range(9, -1, -1)]
    found.button(key="traces_previous").click().run()
    assert len(shown(found)) == 50


def test_filters_stand_in_the_address(db: Database, faq: App):
    with db.session_scope("test") as session:
        other = make_app(session, "other")
    add(db, call(other, NOW - timedelta(days=2), content=said("x", "old and bad")), rating="bad")
    failed = call(faq, state="failed", status=502, error="No answer. Retry.", content=None)
    add(db, failed)
    found = page("traces", rating="bad")
    assert shown(found) == ["old and bad"]
    assert list(found.dataframe[0].value["rating"]) == ["✗ Bad"]  # never a sign alone

    def at(**query: str):
        found.query_params.clear()
        for name, value in query.items():
            found.query_params[name] = value
        return found.run()

    assert shown(at(rating="bad", since="1d")) == []
    assert shown(at(app="other")) == ["old and bad"]
    assert at(f="failed").dataframe[0].value["status"][0] == "! 502"
    assert shown(at(q="question 42")) == ["answer 42"]
    assert "No call matches" in text(at(app="faq", release="7"))
    found.button(key="traces_off_release").click().run()
    assert len(shown(found)) == 50
    assert "no app" in text(at(app="nobody"))
    assert "no request id" in text(at(after="x"))


def test_the_list_stays_until_one_asks_for_what_is_new(db: Database, faq: App):
    found = page("traces")
    add(db, call(faq, content=said("n", "brand new")), call(faq))
    found.run()
    assert "brand new" not in shown(found)
    assert "2 new" in text(found)
    found.button(key="traces_show").click().run()
    assert "brand new" in shown(found)[:2]
    assert "2 new" not in text(found)


def test_a_call_is_shown_whole(db: Database, faq: App):
    content = said("Where <b>is</b> it?", "![x](http://evil) here")
    content.steps.append(Step("guard", "after", 90.0, 1.0, ok=False, detail={"found": ["email"]}))
    content.sources = [{"n": 1, "document": "d.md"}]
    with db.session_scope("test") as session:
        key = make_key(session, "shop", faq)
        (one,) = store(session, [call(faq, content=content, key_id=key.id, user="u-77")])
        give(
            session, app_ids=None, request_id=one, rating="bad", reasons=["rude"],
            comment="*no*", actor="key:shop",
        )  # fmt: skip
    found = page("traces", sel=one)
    assert not found.exception
    said_all = text(found)
    for part in ("Where <b>is</b> it?", one, "shop", "u-77", "rude", "*no*", "Bad"):
        assert part in said_all, part
    assert [one.label.split(" ")[0] for one in found.status] == ["Render", "Call", "Guard"]
    assert found.status[2].state == "error"
    assert "email" in said_all


def test_without_content_there_is_none_and_no_case(db: Database, faq: App):
    (dark,) = add(db, call(faq, content=None))
    found = page("traces", sel=dark)
    assert "is not kept" in text(found)
    assert button(found, "trace_replay").disabled
    assert button(found, "trace_case").disabled
    assert "There is no call" in text(page("traces", sel="gone"))


def test_a_call_opens_in_the_editor_with_its_inputs(db: Database, faq: App):
    (one,) = add(db, call(faq, content=said("Where is it?")))
    found = page("traces", sel=one)
    button(found, "trace_replay").click().run()
    assert not found.exception
    assert not found.error
    found.switch_page("prompts.py")
    found.run()
    assert found.text_area(key="value_faq_question_text").value == "Where is it?"


def test_a_call_is_replayed_in_the_playground(db: Database, faq: App):
    (one,) = add(db, call(faq, content=said("Where is it?")))
    found = page("traces", sel=one)
    button(found, "trace_play").click().run()
    assert not found.exception
    assert not found.error
    with db.read_scope() as session:
        (row,) = scenes.list_scenes(session, "user:admin")
        state = scenes.get(session, row.id).state
    assert state.values == {"question": "Where is it?"}
    assert not state.columns[0].changed


def test_a_call_becomes_a_case(db: Database, faq: App):
    (one,) = add(db, call(faq, content=said("Where is it?", "There.")))
    found = page("traces", sel=one)
    button(found, "trace_case").click().run()
    assert found.selectbox(key="case_dataset").value == "faq-failures"
    found.text_area(key="case_expected").set_value("Here.")
    next(b for b in found.button if b.label == "Save case").click().run()
    assert not found.error
    with db.read_scope() as session:
        version = get(session, "faq-failures")
        (case,) = page_cases(session, version.version_id).cases
    assert case.expected == "Here."
    assert case.inputs["question"] == "Where is it?"
    assert one in version.message


def test_similar_failures_stand_on_top(db: Database, faq: App):
    bad = [call(faq, content=said(f"I want a refund for {n}", "no")) for n in range(3)]
    add(db, *bad, rating="bad")
    found = page("traces")
    (one,) = [b for b in found.button if (b.key or "").startswith("group_")]
    assert "refund" in one.label
    one.click().run()
    assert len(shown(found)) == 3
    one = next(b for b in found.button if (b.key or "").startswith("group_"))
    one.click().run()
    assert len(shown(found)) == 50


@pytest.fixture
def open_calls(db: Database, faq: App) -> list[str]:
    """Three complaints, the first with what the client would have liked to read."""
    records = [
        call(faq, NOW + timedelta(seconds=n), content=said(f"bad {n}?", f"answer {n}"), user="u-77")
        for n in range(3)
    ]
    ids = add(db, *records)
    with db.session_scope("key:shop") as session:
        for n, one in enumerate(ids):
            give(
                session, app_ids=None, request_id=one, rating="bad", comment=f"comment {n}",
                correction="liked" if n == 0 else None, actor="key:shop",
            )  # fmt: skip
    return ids


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who looks for a second before each press."""
    real = reviewing.too_fast
    second = timedelta(seconds=1)

    def slow(at: datetime, shown_at: datetime, last: datetime | None) -> bool:
        return real(at + second, shown_at, last)

    monkeypatch.setattr(reviewing, "too_fast", slow)


def decisions(db: Database) -> list[tuple[str, str | None, str | None]]:
    with db.read_scope() as session:
        rows = session.exec(select(Review).order_by(Review.at)).all()  # type: ignore[arg-type]
        return [(row.decision, row.correction, row.dataset) for row in rows]


def test_review_by_keys(db: Database, open_calls: list[str], patient):
    found = page("review")
    assert not found.exception
    assert "comment 0" in text(found)
    assert "u-77" not in text(found)
    assert "shop" not in text(found)
    button(found, "review_dataset").click().run()
    assert "comment 1" in text(found)
    button(found, "review_fine").click().run()
    assert "comment 2" in text(found)
    button(found, "review_undo").click().run()
    assert "comment 1" in text(found)
    button(found, "review_bad").click().run()
    button(found, "review_corrected").click().run()
    assert "comment 2" in text(found), "a correction without its text was taken"
    found.text_area[0].set_value("It should be so.").run()
    button(found, "review_corrected").click().run()
    assert decisions(db) == [
        ("corrected", "liked", "faq-failures"), ("bad", None, None),
        ("corrected", "It should be so.", None),
    ]  # fmt: skip
    assert "1 case for faq-failures" in text(found)
    button(found, "review_add_faq-failures").click().run()
    assert "1 case in faq-failures@1." in text(found)
    assert [link.label for link in found.page_link] == ["Improve the prompt", "Run the app on them"]
    assert decisions(db)[0] == ("corrected", "liked", "faq-failures@1")


def test_a_held_key_decides_about_one(db: Database, open_calls: list[str]):
    found = page("review")
    for _ in range(3):
        button(found, "review_bad").click().run()
    assert len(decisions(db)) <= 1


def test_somebody_elses_decision_is_told(db: Database, open_calls: list[str], patient):
    from serving import review

    found = page("review")
    with db.session_scope("user:bob") as session:
        review.resolve(session, open_calls[0], "fine")
    button(found, "review_bad").click().run()
    assert "user:bob has decided" in text(found)
    assert "comment 1" in text(found)


def test_a_draft_of_a_correction_is_kept(db: Database, open_calls: list[str], patient):
    found = page("review")
    found.text_area[0].set_value("half a thought").run()
    assert page("review").text_area[0].value == "half a thought"


def test_home_names_what_waits(db: Database, open_calls: list[str]):
    assert any("3 to review" in link.label for link in page().page_link)


def test_a_viewer_makes_no_cases(db: Database, faq: App):
    with db.session_scope("system") as session:
        user = session.get(User, "admin")
        assert user is not None
        user.role = "viewer"
    assert button(page("traces"), "trace_case").disabled


def test_the_page_is_read_anew_when_one_comes_back(db: Database, faq: App):
    found = page("traces")
    add(db, call(faq, content=said("n", "brand new")))
    found.switch_page("home.py")
    found.run()
    found.switch_page("traces.py")
    found.run()
    assert shown(found)[0] == "brand new"
    assert trace_list.RATINGS[0] == "all"
    with db.read_scope() as session:
        assert len(session.exec(select(Trace.id)).all()) == 61
