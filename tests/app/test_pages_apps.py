"""Apps on their pages: made, released, promoted, rolled back, guarded, watched, called."""

import asyncio
import json
import shlex
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import col, select

from app import example
from core.clock import utcnow
from core.database import Database
from core.drafts import load_draft
from core.models import User
from evalsets.models import Run
from serving import aliases, gates, service
from serving.alerts import claim, due_alerts
from serving.bodies import read_chat, read_invoke
from serving.http.serving import serving_apps
from serving.keys import list_keys
from serving.live import Live
from serving.lookup import need_app, resolve
from serving.models import Trace
from serving.records import CallContent
from serving.settings import Alert, FailedSet, Operations, Pinned
from serving.traces import get_trace
from tests.support.apps import ACTOR, arms_run, change, make_app, push, release
from tests.support.calls import make_calls
from tests.support.pages import button, page, words
from tests.support.runs_factory import make_run


@pytest.fixture
def db(workspace, sqlite_db: Database) -> Database:
    """A served workspace with two versions of the prompt `faq`."""
    push(sqlite_db, "Answer {{ question }}")
    push(sqlite_db, "Answer well: {{ question }}")
    return sqlite_db


@pytest.fixture
def faq(db: Database) -> Database:
    """And the app `faq` with one release in production."""
    make_app(db)
    release(db, message="first")
    with db.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 1, "production")
    return db


def by_label(elements, label: str):
    return next(one for one in elements if one.label.replace("\\", "") == label)


def said(found) -> str:
    return words(found).replace("\\", "").replace("\u2060", "")


def settings(db: Database, name: str = "faq"):
    with db.read_scope() as session:
        return service.settings_of(need_app(session, name))


def operations(db: Database, name: str = "faq"):
    with db.read_scope() as session:
        return service.operations_of(need_app(session, name))


def points_at(db: Database, ref: str = "production") -> int:
    with db.read_scope() as session:
        return resolve(session, "faq", ref).release.number


def second_release(db: Database) -> None:
    change(db, repair=False)
    release(db, message="second")


def clean(found):
    assert not found.exception
    assert not found.error, [one.value for one in found.error]
    return found


def test_without_apps_the_page_says_what_to_do(db):
    assert "Make an app of this arm" in said(clean(page("apps")))


def test_the_catalogue_says_what_is_live(faq):
    row = clean(page("apps")).dataframe[0].value.iloc[0]
    assert (row["name"], row["kind"], row["aliases"]) == ("faq", "completion", "production → 1")


def test_an_app_is_made_and_released_in_the_drawer(db):
    found = clean(page("apps", do="new"))
    by_label(found.text_input, "Name").set_value("help")
    by_label(found.selectbox, "Prompt").select("faq@1")
    by_label(found.selectbox, "Model").select("echo")
    by_label(found.button, "Create and release").click().run()
    clean(found)
    assert found.query_params["id"] == "help"
    with db.read_scope() as session:
        app = need_app(session, "help")
    assert (app.newest, app.settings["prompt"], app.settings["kind"]) == (1, "faq@1", "completion")


def test_the_winning_arm_becomes_an_app(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    with sqlite_db.read_scope() as session:
        run = example.known_run(session)
    found = clean(page("runs", id=run, tab="verdict"))
    found.button(key="app_news@2 | demo").click().run()
    assert found.query_params["do"] == "app"
    assert found.text_input(key="arm_app_name").value == "news"
    by_label(found.button, "Create and release").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        app = need_app(session, "news")
        made = gates.candidate(session, "news", 1)
        assert gates.arms_of(session, made, run or "") == ["news@2 | demo"]
    assert app.origin is not None
    assert (app.origin["run"], app.origin["arm"]) == (run, "news@2 | demo")
    again = page("runs", id=run, tab="verdict", do="app", arm="news@1 | demo")
    assert again.text_input(key="arm_app_name").value == "news-2"
    clean(page("apps", id="news"))


def test_an_arm_made_elsewhere_makes_no_app(workspace, sqlite_db):
    with sqlite_db.session_scope(ACTOR) as session:
        run = make_run(session, arms=("ours", "theirs"), imported=True)
    assert "has no prompt here" in said(page("runs", id=run, tab="verdict", do="app"))


def test_what_cannot_be_made_is_said_in_the_drawer(db):
    found = page("apps", do="new")
    by_label(found.text_input, "Name").set_value("help")
    by_label(found.selectbox, "Prompt").select("faq@1")
    by_label(found.selectbox, "Kind (optional)").select("rag")
    by_label(found.button, "Create and release").click().run()
    assert "knowledge base" in found.error[0].value
    with db.read_scope() as session:
        assert service.list_apps(session) == []


def test_an_unknown_app_is_a_sentence(db):
    assert "There is nothing at this address: none" in said(page("apps", id="none"))


def test_a_draft_that_changed_is_released_with_its_difference(faq):
    change(faq, prompt="faq@1")
    found = clean(page("apps", id="faq"))
    assert any("unreleased" in str(one.value) for one in found.markdown)
    button(found, "app_release").click().run()
    assert found.query_params["do"] == "release"
    assert "faq@1" in str(found.dataframe[-1].value)
    by_label(found.text_input, "What changed (optional)").set_value("back to plain")
    by_label(found.button, "Release").click()
    next(b for b in found.button if b.label == "Release" and b.key != "app_release").click().run()
    clean(found)
    with faq.read_scope() as session:
        row = resolve(session, "faq", 2).release
    assert (row.message, row.actor) == ("back to plain", "user:admin")


def test_a_promotion_with_a_gate_is_refused_below_it(faq):
    second_release(faq)
    run = arms_run(faq, labels={2 * row + 1: "good" if row < 9 else "bad" for row in range(12)})
    found = clean(page("apps", id="faq", do="promote", release="2"))
    found.selectbox(key="promote_run").select_index(0)
    found.text_input(key="promote_gate").set_value("share_good>=0.9")
    by_label(found.button, "Promote release 2").click().run()
    assert "share_good is 0.75, which fails" in said(found)
    assert points_at(faq) == 1
    found.text_input(key="promote_gate").set_value("share_good>=0.7")
    found.text_input(key="promote_reason").set_value("three of four")
    by_label(found.button, "Promote release 2").click().run()
    clean(found)
    assert points_at(faq) == 2
    with faq.read_scope() as session:
        move = aliases.moves(session, need_app(session, "faq"))[0]
    assert (move.reason, move.actor) == ("three of four", "user:admin")
    assert move.evidence is not None
    assert (move.evidence["run"], move.evidence["gate"]) == (run, "share_good>=0.7")
    listed = clean(page("apps", id="faq", tab="releases"))
    moves = listed.dataframe[-1].value.iloc[0]
    assert moves["evidence"].startswith("75% (")
    assert "share_good>=0.7" in moves["evidence"]


def test_a_gate_without_a_run_is_said(faq):
    second_release(faq)
    found = page("apps", id="faq", do="promote")
    found.text_input(key="promote_gate").set_value("errors==0")
    by_label(found.button, "Promote release 2").click().run()
    assert "Choose the run" in found.error[0].value


def test_the_failed_set_is_replayed_before_a_promotion(faq):
    second_release(faq)
    with faq.session_scope(ACTOR) as session:
        make_run(session, cases=3, imported=True)  # its data set is the failed set
        now = service.operations_of(need_app(session, "faq"))
        failed = FailedSet(dataset="questions", evaluators=("contains:cats",))
        changed = now.model_copy(update={"failed_set": failed})
        service.save_operations(session, "faq", changed)
    found = clean(page("apps", id="faq", do="promote", release="2"))
    assert "was not asked the failed set" in said(found)
    by_label(found.button, "Promote release 2").click().run()
    assert "Replay it" in said(found)
    assert points_at(faq) == 1
    button(found, "replay_start").click().run()
    assert "Failed set questions@1: queued, 0 of 3" in said(found)
    with faq.session_scope(ACTOR) as session:
        run = session.exec(select(Run).where(col(Run.imported).is_(False))).one()
        assert run.manifest["arms"][0]["app"] == "faq@2"
        run.status = "completed"
        session.add(run)
    found = clean(page("apps", id="faq", do="promote", release="2"))
    assert "Failed set questions@1: 3 cases" in said(found)
    by_label(found.button, "Promote release 2").click().run()
    assert points_at(faq) == 2


def test_the_replay_may_be_left_out_with_a_tick(faq):
    second_release(faq)
    with faq.session_scope(ACTOR) as session:
        make_run(session, cases=3, imported=True)
        changed = Operations(failed_set=FailedSet(dataset="questions"))
        service.save_operations(session, "faq", changed)
    found = clean(page("apps", id="faq", do="promote", release="2"))
    found.checkbox(key="promote_unreplayed").check()
    by_label(found.button, "Promote release 2").click().run()
    clean(found)
    assert points_at(faq) == 2


def test_a_canary_is_begun_and_ended_by_rolling_back(faq):
    second_release(faq)
    found = page("apps", id="faq", do="promote", release="2")
    found.number_input(key="promote_canary").set_value(10)
    by_label(found.button, "Promote release 2").click().run()
    clean(found)
    assert points_at(faq) == 1
    found = clean(page("apps", id="faq"))
    assert any("10 \\%" in str(one.value) or "10 %" in str(one.value) for one in found.markdown)
    button(found, "rollback_production").click().run()
    assert "production goes back to release 1, from 2." in said(found)
    rolling = [b for b in found.button if b.label == "Roll back to 1" and not b.key.startswith("r")]
    rolling[0].click().run()
    clean(found)
    with faq.read_scope() as session:
        moves = aliases.moves(session, need_app(session, "faq"))
    assert [one.kind for one in moves] == ["rollback", "canary", "promote"]


def test_rolling_back_shows_the_difference_and_keeps_the_reason(faq):
    second_release(faq)
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production")
    found = clean(page("apps", id="faq", do="rollback", alias="production"))
    assert "repair" in str(found.dataframe[-1].value)
    found.text_input(key="rollback_reason").set_value("worse")
    next(
        b for b in found.button if b.label == "Roll back to 1" and b.key != "rollback_production"
    ).click().run()
    clean(found)
    assert points_at(faq) == 1


def test_with_nowhere_to_go_back_there_is_no_button(faq):
    found = clean(page("apps", id="faq"))
    assert not [b for b in found.button if b.key == "rollback_production"]
    assert "There is no way back" in said(page("apps", id="faq", do="rollback"))


def test_an_alias_is_taken_away_and_then_the_app(faq):
    found = page("apps", id="faq", do="delete")
    by_label(found.text_input, "Type faq to confirm").set_value("faq")
    by_label(found.button, "Delete app").click().run()
    assert "Take its aliases away first" in said(found)
    found = page("apps", id="faq", do="unalias", alias="production")
    by_label(found.button, "Take alias away").click().run()
    clean(found)
    found = page("apps", id="faq", do="delete")
    by_label(found.text_input, "Type faq to confirm").set_value("faq")
    by_label(found.button, "Delete app").click().run()
    clean(found)
    with faq.read_scope() as session:
        assert service.list_apps(session) == []


def test_a_release_is_opened_with_what_it_froze(faq):
    second_release(faq)
    found = clean(page("apps", id="faq", tab="releases", sel="2"))
    assert list(found.dataframe[0].value["release"]) == ["2", "1"]
    assert "Answer well: {{ question }}" in said(found)
    assert "Difference to release 1" in said(found)
    assert "echo (echo)" in str(found.dataframe[1].value)
    button(found, "release_run").click().run()
    assert (found.query_params["do"], found.query_params["app"]) == ("plan", "faq@2")


def test_the_draft_is_changed_in_its_drawer(faq):
    found = clean(page("apps", id="faq", tab="releases", do="draft"))
    found.text_area(key="draft_params").set_value('{"temperature": 0.2}')
    by_label(found.button, "Save draft").click().run()
    clean(found)
    assert settings(faq).params == {"temperature": 0.2}
    found = page("apps", id="faq", tab="releases", do="draft")
    found.text_area(key="draft_params").set_value("[1]")
    by_label(found.button, "Save draft").click().run()
    assert "is no JSON object" in found.error[0].value
    assert settings(faq).params == {"temperature": 0.2}


def test_a_draft_that_names_nothing_here_is_said(faq):
    from prompts.service import archive

    with faq.session_scope(ACTOR) as session:
        row = need_app(session, "faq")
        row.settings = {**row.settings, "prompt": "gone"}
        session.add(row)
        archive(session, "faq")
    found = page("apps", id="faq", tab="releases")
    assert not found.exception
    assert any("gone" in one.value for one in found.warning)


def test_guards_are_added_changed_ordered_and_removed(faq):
    found = clean(page("apps", id="faq", tab="guards"))
    button(found, "guard_add_length").click().run()
    found.number_input(key="guard_most").set_value(99)
    by_label(found.button, "Save guard").click().run()
    clean(found)
    found = page("apps", id="faq", tab="guards", do="guard", kind="blocked_words")
    by_label(found.button, "Save guard").click().run()
    assert "words" in found.error[0].value
    found.text_area(key="guard_words").set_value("foo\n\nbar baz\n")
    found.selectbox(key="guard_action").select("mask")
    by_label(found.button, "Save guard").click().run()
    clean(found)
    assert [one.kind for one in settings(faq).guards] == ["length", "blocked_words"]
    found = page("apps", id="faq", tab="guards")
    assert "Blocked words: before the model · mask · foo, bar baz" in said(found)
    button(found, "guard_up_1").click().run()
    assert [one.kind for one in settings(faq).guards] == ["blocked_words", "length"]
    button(found, "guard_change_1").click().run()
    assert found.number_input(key="guard_most").value == 99
    by_label(found.button, "Save guard").click().run()
    assert len(settings(faq).guards) == 2
    button(found, "guard_remove_0").click().run()
    clean(found)
    assert [one.kind for one in settings(faq).guards] == ["length"]


def test_fallbacks_and_repair_are_saved_to_the_draft(faq):
    found = clean(page("apps", id="faq", tab="guards"))
    found.multiselect(key="app_fallbacks").set_value(["demo"])
    found.checkbox(key="app_repair").uncheck()
    by_label(found.button, "Save draft").click().run()
    clean(found)
    assert (settings(faq).fallbacks, settings(faq).repair) == (("demo",), False)
    assert points_at(faq) == 1


def test_answers_are_pinned_changed_and_removed(faq):
    found = clean(page("apps", id="faq", tab="guards", do="pinned"))
    found.text_input(key="pin_question").set_value("When do you open?")
    found.text_area(key="pin_answer").set_value("At nine.")
    by_label(found.button, "Save answer").click().run()
    clean(found)
    assert settings(faq).pinned == (Pinned(question="When do you open?", answer="At nine."),)
    found = clean(page("apps", id="faq", tab="guards", do="pinned", at="0"))
    assert found.text_area(key="pin_answer").value == "At nine."
    found.selectbox(key="pin_match").select("similar")
    by_label(found.button, "Save answer").click().run()
    assert [one.match for one in settings(faq).pinned] == ["similar"]
    found = page("apps", id="faq", tab="guards", do="pinned", at="0")
    button(found, "pin_remove").click().run()
    clean(found)
    assert settings(faq).pinned == ()


def test_operations_are_saved_at_once(faq):
    found = clean(page("apps", id="faq", tab="alerts"))
    found.checkbox(key="ops_log").uncheck()
    found.number_input(key="ops_days").set_value(7)
    found.selectbox(key="ops_judge").select("echo")
    found.number_input(key="ops_budget").set_value(1.5)
    by_label(found.button, "Save").click().run()
    clean(found)
    now = operations(faq)
    assert (now.log_content, now.retention_days) == (False, 7)
    assert now.judged is not None
    assert (now.judged.model, now.judged.share, str(now.judged.budget_day)) == ("echo", 0.05, "1.5")
    found.number_input(key="ops_days").set_value(8)
    by_label(found.button, "Save").click().run()
    assert operations(faq).judged == now.judged


def test_alerts_are_added_and_removed(faq):
    found = clean(page("apps", id="faq", tab="alerts", do="alert"))
    found.text_input(key="alert_url").set_value("ftp://x")
    by_label(found.button, "Save alert").click().run()
    assert "must begin with" in found.error[0].value
    found.text_input(key="alert_url").set_value("https://hooks.example.com/a")
    by_label(found.button, "Save alert").click().run()
    clean(found)
    assert [one.figure for one in operations(faq).alerts] == ["error_rate"]
    found = page("apps", id="faq", tab="alerts")
    assert "Errors above 5% in 15 min, from 20 calls on" in said(found)
    button(found, "alert_remove_0").click().run()
    clean(found)
    assert operations(faq).alerts == ()


def body_of(code: str) -> bytes:
    """What a curl line sends."""
    words = shlex.split(code.replace("\\\n", " "))
    return words[words.index("-d") + 1].encode()


@pytest.mark.parametrize(
    ("prompt", "kind", "messages", "inputs"),
    [
        ("faq", None, 0, {"question": "…"}),
        ("talk", None, 1, {}),
        ("faq", "chat", 1, {"question": "…"}),
    ],
)
def test_the_code_is_a_call_that_the_app_accepts(db, prompt, kind, messages, inputs):
    push(db, "It's a 'talk'.", name="talk", role="system")
    make_app(db, "it", prompt=prompt, kind=kind)
    release(db, "it")
    asked = read_chat(body_of(code_of("curl")))
    assert (asked.model, len(asked.messages), asked.inputs) == ("it@1", messages, inputs)
    invoked = code_of("invoke")
    assert "/apps/it@1/invoke" in invoked
    assert read_invoke(body_of(invoked)).inputs == inputs


def test_code_in_both_languages(faq):
    python = code_of("python", "faq")
    compile(python, "snippet", "exec")
    assert "extra_body={\"inputs\": {'question': '…'}}" in python
    assert 'model: "faq"' in code_of("typescript", "faq")


def code_of(language: str, name: str = "it") -> str:
    found = clean(page("apps", id=name, tab="code", lang=language))
    shown = [one.value for one in found.code if len(one.value) > 20]
    assert json.loads(body_of(shown[1]))["rating"] == "bad"
    return shown[0]


def test_a_key_is_shown_once(faq):
    found = clean(page("apps", id="faq", tab="code", do="key"))
    found.text_input(key="key_name").set_value("web")
    found.number_input(key="key_rpm").set_value(60)
    by_label(found.button, "Create key").click().run()
    clean(found)
    (token,) = [one.value for one in found.code if one.value.startswith("ps_")]
    with faq.read_scope() as session:
        (key,) = list_keys(session)
    assert (key.apps, key.rpm, key.prefix) == (("faq",), 60, token[:8])
    again = clean(page("apps", id="faq", tab="code"))
    assert token not in said(again)
    assert key.prefix in str(again.dataframe[-1].value)


def test_go_to_knows_the_app(faq):
    with faq.session_scope("user:admin") as session:
        service.describe(session, "faq", "Answers.")
    found = page("home")
    options = found.selectbox(key="goto").options
    assert any(option.startswith("faq · app") for option in options)


def test_who_may_not_publish_changes_nothing(faq):
    second_release(faq)
    with faq.session_scope("system") as session:
        user = session.get(User, "admin")
        assert user is not None
        user.role = "viewer"
        session.add(user)
    for tab in ("overview", "guards", "alerts"):
        found = clean(page("apps", id="faq", tab=tab))
        live = [b.key for b in found.button if b.key and not b.disabled]
        assert not [k for k in live if k.split("_")[0] in ("app", "guard", "alert", "unalias")], (
            live
        )
    for drawer in ("promote", "guard", "key"):
        assert not page("apps", id="faq", do=drawer, kind="pii").text_input


def test_a_page_that_is_older_than_a_role_changes_nothing(faq):
    change(faq, guards=({"kind": "pii"},))
    found = clean(page("apps", id="faq", tab="guards"))
    with faq.session_scope("system") as session:
        user = session.get(User, "admin")
        assert user is not None
        user.role = "viewer"
        session.add(user)
    button(found, "guard_remove_0").click().run()
    assert "Apps are made and changed by publishers" in said(found)
    assert len(settings(faq).guards) == 1


def record(db: Database, count: int, release: int = 1, canary: bool = False, **columns) -> None:
    """Calls of production; `content` and `state` are fields of the calls, the rest columns."""
    fields = {"release": release, "canary": canary}
    fields |= {
        name: columns.pop(name) for name in ("state", "status", "content") if name in columns
    }
    with db.session_scope(ACTOR) as session:
        app = need_app(session, "faq")
        make_calls(session, app, count, every=timedelta(0), fields=lambda _: fields, **columns)


def test_releases_are_told_apart_and_ratings_never_mixed(faq):
    record(faq, 6, rating="good")
    record(faq, 2, rating="bad")
    record(faq, 3, release=2, rating="bad", judged="good")
    record(faq, 1, release=2, state="failed", status=502)
    found = clean(page("apps", id="faq"))
    rows = {row["release"]: row for _, row in found.dataframe[0].value.iterrows()}
    assert (rows["1"]["calls"], rows["1"]["errors"]) == ("8", "0 (0.0%)")
    assert rows["1"]["share"].startswith("75% (")
    assert (rows["2"]["errors"], rows["2"]["share"][:3]) == ("1 (25.0%)", "0% ")
    assert rows["2"]["judged"].startswith("100% (")
    assert (rows["all"]["calls"], rows["all"]["share"], rows["all"]["judged"]) == ("12", "–", "–")


def test_a_canary_stands_beside_its_rival_with_the_rule_in_words(faq):
    second_release(faq)
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production", canary=10)
    time.sleep(0.01)
    record(faq, 20, rating="good")
    record(faq, 4, release=2, canary=True, rating="bad")
    found = clean(page("apps", id="faq"))
    frame = found.dataframe[0].value
    assert list(frame["release"]) == ["2 (canary, 10 %)", "1"]
    assert list(frame["calls"]) == ["4", "20"]
    assert frame["share"][0].startswith("0% (")
    assert "It ends by itself" in said(found)
    assert "−100 points" in said(found)


def test_an_alarm_makes_rolling_back_the_first_thing(faq):
    second_release(faq)
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production")
        alert = Alert(figure="error_rate", bound=0.1, least=3, url="https://hooks.example.com/a")
        service.save_operations(session, "faq", Operations(alerts=(alert,)))
    record(faq, 5, release=2, state="failed", status=502)
    assert not [b for b in page("apps", id="faq").button if b.key == "app_back"]
    with faq.session_scope(ACTOR) as session:
        (due,) = due_alerts(session, utcnow())
        claim(session, due)
    found = clean(page("apps", id="faq"))
    assert button(found, "app_back").label == "Roll back to 1"
    warned = found.warning[0].value.replace("\\", "")
    assert "Errors above 10%" in warned
    assert "100%" in warned
    home = clean(page("home"))
    assert "Errors above 10%" in said(home)
    listed = clean(page("apps", id="faq", tab="alerts"))
    assert "the address did not take it" in said(listed)


def test_home_tells_of_a_canary_that_lost(faq):
    second_release(faq)
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 2, "production", canary=10)
        aliases.end_canary(session, "faq", "production", win=False, reason="worse")
    assert "The canary 2 of production was stopped: fewer answers were good." in said(
        clean(page("home"))
    )
    moves = clean(page("apps", id="faq", tab="releases")).dataframe[-1].value
    assert moves["reason"][0] == "fewer answers were good"


def test_drift_of_what_is_asked_is_told(faq):
    with faq.session_scope(ACTOR) as session:
        app = need_app(session, "faq")
        week = utcnow() - timedelta(days=3)
        make_calls(
            session, app, 60, until=week, fields=lambda n: {"content": asked_for("s" * (n + 1))}
        )
        make_calls(session, app, 60, fields=lambda n: {"content": asked_for("l" * (n + 99))})
    found = clean(page("apps", id="faq"))
    frame = found.dataframe[-1].value
    assert "length" in set(frame["change"])
    assert "question" in set(frame["name"])


def asked_for(question: str) -> CallContent:
    return CallContent(inputs={"question": question}, output="Yes.")


LIVE: list[Live] = []
"""What the process that answers has seen of the database."""


@pytest.fixture
def answering(workspace, faq: Database) -> Iterator[Database]:
    """The app `faq` in a process that answers calls."""
    served = serving_apps(faq, workspace.generations._connections, Live(faq))

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, workspace.loop).result(20)

    LIVE.append(run(served.__aenter__()).live)
    yield faq
    LIVE.clear()
    run(served.__aexit__(None, None, None))


def settled(found, turns: int = 1):
    """The page once so many answers and their traces are there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found.run()
        if sum("ms ·" in one.value.replace("\\", "") for one in found.caption) == turns:
            return clean(found)
        time.sleep(0.1)
    raise AssertionError(said(found))


def traces(db: Database) -> list[Trace]:
    with db.read_scope() as session:
        return list(session.exec(select(Trace).order_by(col(Trace.id))))


def test_a_completion_is_tried_with_its_variables(answering):
    found = clean(page("apps", id="faq", tab="try"))
    found.text_area[0].set_value("Who?").run()
    button(found, "try_run").click().run()
    found = settled(found)
    (row,) = traces(answering)
    assert (row.app, row.release, row.state, row.user) == ("faq", 1, "succeeded", "user:admin")
    with answering.read_scope() as session:
        content = get_trace(session, row.id).content
    assert content is not None
    assert content.output == "Answer well: Who?"
    assert row.id in str(app_trial_of(answering))
    again = page("apps", id="faq", tab="try")
    assert again.text_area[0].value == "Who?"


def test_an_example_that_is_shown_is_sent(answering):
    inputs = [{"name": "question", "example": "Why?"}]
    push(answering, "Answer: {{ question }}", inputs=inputs)
    release(answering)
    LIVE[0].refresh()
    found = clean(page("apps", id="faq", tab="try", ref="2"))
    assert found.text_area[0].value == "Why?"
    button(found, "try_run").click().run()
    settled(found)
    with answering.read_scope() as session:
        content = get_trace(session, traces(answering)[-1].id).content
    assert content is not None
    assert content.inputs == {"question": "Why?"}


def app_trial_of(db: Database) -> str:
    with db.read_scope() as session:
        draft = load_draft(session, "user:admin", "app.trial", "faq")
    assert draft is not None
    return draft.content


def test_a_chat_goes_on_with_what_was_said(answering):
    push(answering, "Be kind.", name="talk", role="system")
    change(answering, prompt="talk", kind="chat")
    release(answering)
    LIVE[0].refresh()
    found = clean(page("apps", id="faq", tab="try", ref="2"))
    found.chat_input[0].set_value("Hello").run()
    found = settled(found)
    found.chat_input[0].set_value("And now?").run()
    settled(found, 2)
    last = traces(answering)[-1]
    with answering.read_scope() as session:
        content = get_trace(session, last.id).content
    assert content is not None
    assert [one["role"] for one in content.given] == ["user", "assistant", "user"]
    assert content.given[2]["content"] == "And now?"
    button(found, "try_new").click().run()
    assert "And now?" not in said(clean(found))


def test_what_an_app_refuses_is_said(answering):
    change(answering, guards=({"kind": "length", "most": 3},))
    release(answering)
    LIVE[0].refresh()
    found = clean(page("apps", id="faq", tab="try", ref="2"))
    found.text_area[0].set_value("far too long").run()
    button(found, "try_run").click().run()
    deadline = time.monotonic() + 10
    while not found.error and time.monotonic() < deadline:
        time.sleep(0.1)
        found.run()
    assert "guard length" in found.error[0].value.replace("\\", "")
    assert not found.exception
