"""Complaints become cases: looked at once, taken back, collected, added as one version."""

from datetime import timedelta

import pytest
from sqlmodel import select

from core.clock import utcnow
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.datasets.adding import NewCase, add_cases
from evalsets.datasets.cases import page_cases
from evalsets.datasets.service import history
from prompts.content import Variable
from serving import collecting, review
from serving.cases import case_inputs, gather_cases
from serving.feedback import give
from serving.manifest import ReleaseManifest
from serving.models import App, AppRelease, Review, Trace
from serving.trace_filters import TraceFilter
from tests.support.calls import call, make_app, make_calls, make_released, said, store

NOW = utcnow()


@pytest.fixture
def calls(db: Database) -> list[str]:
    """Five calls that ask for a review, each of its own question."""
    with db.session_scope("test") as session:
        app = make_app(session)
        make_calls(session, app, 3)
        return make_calls(
            session, app, 5, until=NOW,
            fields=lambda n: {"content": said(f"question {n}", f"answer {n}"), "user": "secret-user"},
            rating="bad", review="open",
        )  # fmt: skip


def decide(db: Database, request_id: str, *args, actor="user:ann", **more) -> None:
    with db.session_scope(actor) as session:
        review.resolve(session, request_id, *args, **more)


def opened(db: Database, app: str | None = None, after: str | None = None) -> str | None:
    with db.read_scope() as session:
        return review.next_open(session, app, after)


def test_the_oldest_comes_first_and_each_once(db: Database, calls: list[str]):
    assert opened(db) == calls[0] == opened(db, "faq")
    assert opened(db, after=calls[0]) == calls[1]
    seen = []
    while (one := opened(db)) is not None:
        decide(db, one, "bad")
        seen.append(one)
    assert seen == calls
    with db.read_scope() as session:
        assert review.counts(session, "faq")[:2] == (0, 5)
        with pytest.raises(NotFound):
            review.next_open(session, "nobody")


def test_a_reviewer_sees_what_was_said_and_not_by_whom(db: Database, calls: list[str]):
    with db.session_scope("key:shop") as session:
        give(
            session, app_ids=None, request_id=calls[0], rating="bad", comment="wrong",
            correction="right", actor="key:shop",
        )  # fmt: skip
    with db.read_scope() as session:
        shown = review.show(session, calls[0])
    assert (shown.output, shown.correction) == ("answer 0", "right")
    assert shown.feedback[0].comment == "wrong"
    assert "secret-user" not in repr(shown)
    assert "shop" not in repr(shown)


def test_undo_takes_ones_own_newest_back(db: Database, calls: list[str]):
    decide(db, calls[0], "fine")
    decide(db, calls[1], "corrected", "better")
    decide(db, calls[2], "bad", actor="user:bob")
    with db.session_scope("user:ann") as session:
        assert review.undo(session, "faq") == calls[1]
        assert review.undo(session) == calls[0]
        assert review.undo(session) is None
        left = session.exec(select(Review)).one()
        assert left.trace_id == calls[2]
        trace = session.get(Trace, calls[0])
        assert trace is not None
        assert trace.review == "open"


def test_two_reviewers_do_not_decide_twice(db: Database, calls: list[str]):
    decide(db, calls[0], "fine")
    with pytest.raises(Conflict, match="user:ann"):
        decide(db, calls[0], "bad", actor="user:bob")
    decide(db, calls[0], "bad")  # one's own word may be changed
    with db.read_scope() as session:
        assert session.exec(select(Review.decision)).one() == "bad"


@pytest.mark.parametrize("words", [("corrected",), ("corrected", " "), ("bad", "x"), ("good",)])
def test_a_decision_and_its_correction_go_together(db: Database, calls: list[str], words: tuple):
    with pytest.raises(Invalid):
        decide(db, calls[0], *words)


def test_many_presses_make_one_version(db: Database, calls: list[str]):
    add_cases(db, "test", "faq-failures", [NewCase({"question": "known"}, "yes")])
    decide(db, calls[0], "bad", dataset="faq-failures")
    decide(db, calls[1], "corrected", "better", "faq-failures")
    decide(db, calls[2], "fine")
    with db.read_scope() as session:
        assert review.counts(session).collected == [("faq-failures", 2)]
    added = collecting.add_collected(db, "user:ann", "faq-failures")
    assert added is not None
    assert (added.version.ref, added.new) == ("faq-failures@2", 2)
    assert collecting.add_collected(db, "user:ann", "faq-failures") is None
    with db.session_scope("user:ann") as session:
        cases = page_cases(session, added.version.version_id).cases[1:]
        assert [(case.case_id, case.expected) for case in cases] == [
            (calls[0], None), (calls[1], "better"),
        ]  # fmt: skip
        assert {tuple(case.tags) for case in cases} == {("feedback", "faq")}
        assert review.counts(session).collected == []
        assert {row.dataset for row in session.exec(select(Review))} == {"faq-failures@2", None}
        assert review.undo(session) == calls[2]
        assert review.undo(session) is None  # what stands in a version is not taken back
    decide(db, calls[1], "corrected", "better still", "faq-failures")
    with db.read_scope() as session:
        assert review.counts(session).collected == []
        assert len(history(session, "faq-failures")) == 2


def test_a_decision_changed_meanwhile_is_added_as_it_is_then(db, calls, monkeypatch):
    decide(db, calls[0], "bad", dataset="set")
    decide(db, calls[1], "bad", dataset="set")
    prepare = collecting.prepare
    meanwhile = iter([True])

    def slow(*args):
        ready = prepare(*args)
        if next(meanwhile, False):
            with db.session_scope("user:ann") as session:
                assert review.undo(session) == calls[1]
        return ready

    monkeypatch.setattr(collecting, "prepare", slow)
    added = collecting.add_collected(db, "user:bob", "set")
    assert added is not None
    assert added.version.cases == 1
    with db.read_scope() as session:
        assert session.exec(select(Review.dataset)).all() == ["set@1"]


def test_a_call_of_which_nothing_is_kept_makes_no_case(db: Database):
    with db.session_scope("test") as session:
        (dark,) = store(session, [call(make_app(session), content=None)], review="open")
        assert not review.show(session, dark).has_content
    with pytest.raises(Invalid, match="makes no case"):
        decide(db, dark, "bad", dataset="set")
    decide(db, dark, "bad")
    with pytest.raises(NotFound, match="expired"):
        decide(db, "gone", "bad")


def test_an_apps_own_set_of_failures_is_proposed(sqlite_db: Database):
    with sqlite_db.session_scope("test") as session:
        make_app(session)
        make_app(session, "shop", failed_set={"dataset": "known"})
        assert collecting.dataset_of(session, "faq") == "faq-failures"
        assert collecting.dataset_of(session, "shop") == "known"


@pytest.fixture
def manifest(sqlite_db: Database) -> ReleaseManifest:
    app = make_released(sqlite_db)
    with sqlite_db.read_scope() as session:
        query = select(AppRelease.manifest).where(AppRelease.app_id == app.id)
        return ReleaseManifest.model_validate(session.exec(query).one())


USER = {"role": "user", "content": "hi"}
EARLIER = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
RETRIEVAL = {"kb": "k", "base_id": "b", "snapshot": 1, "query": "question", "into": "context"}


def with_thread(manifest: ReleaseManifest) -> ReleaseManifest:
    content = manifest.prompt.content.model_copy(
        update={"inputs": (Variable(name="turns", kind="thread"),)}
    )
    prompt = manifest.prompt.model_copy(update={"content": content})
    return manifest.model_copy(update={"prompt": prompt})


def with_base(manifest: ReleaseManifest) -> ReleaseManifest:
    return ReleaseManifest.model_validate({**manifest.model_dump(), "retrieval": RETRIEVAL})


def test_messages_stand_where_the_prompt_has_a_place_for_them(manifest: ReleaseManifest):
    thread, base = with_thread(manifest), with_base(manifest)
    both = with_base(with_thread(manifest))
    turns = [*EARLIER, USER]
    assert case_inputs(manifest, {"x": 1}, []) == {"x": 1}
    assert case_inputs(manifest, {"x": 1}, turns) == {"x": 1, "messages": turns}
    assert case_inputs(None, {}, turns) == {"messages": turns}
    assert case_inputs(thread, {"x": 1}, turns) == {"x": 1, "turns": turns}
    assert case_inputs(base, {}, [USER]) == {"question": "hi"}
    assert case_inputs(base, {}, turns) == {"messages": turns}
    assert case_inputs(base, {"question": "q"}, [USER]) == {"question": "q", "messages": [USER]}
    assert case_inputs(both, {}, turns) == {"question": "hi", "turns": EARLIER}


def test_cases_of_calls(db: Database, calls: list[str]):
    with db.session_scope("key:shop") as session:
        give(session, app_ids=None, request_id=calls[3], rating="bad", correction="so", actor="k")
        app = session.exec(select(App)).one()
        liked = store(session, [call(app, content=said("nice?", "yes"))], rating="good")
        store(session, [call(app, NOW - timedelta(days=3), content=None)], rating="bad")
    found = gather_cases(db, TraceFilter(rating="bad"), 100)
    assert found.without_content == 1
    assert [case.case_id for case in found.cases] == calls
    assert [case.expected for case in found.cases] == [None, None, None, "so", None]
    (good,) = gather_cases(db, TraceFilter(rating="good"), 100).cases
    assert (good.case_id, good.expected) == (liked[0], "yes")
    assert good.inputs["messages"] == [{"role": "user", "content": "nice?"}]
