"""Evaluators tried on three answers of a run; a judge costs nothing before it is asked."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlmodel import select

from connectors.models import Generation
from core.database import Database
from core.models import User
from core.workspace_settings import get_setting, set_setting
from evalsets.evaluators.own_files import use_folder
from evalsets.labels.queues import pick_label
from evalsets.labels.service import checked
from evalsets.models import Run
from tests.support.pages import page, words
from tests.support.running import add_model
from tests.support.runs_factory import make_run, score_run
from tests.support.witness import Witness, witness

RUN = "of *news*"
SAVED = {"kind": "judge", "name": "tone", "rubric": "Is it **polite**?", "model": "strict"}


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    with witness() as running:
        yield running


@pytest.fixture
def loaded(workspace, sqlite_db: Database) -> Database:
    """A run of two arms, of which the first case is good and the second bad."""
    with sqlite_db.session_scope("user:admin") as session:
        run = session.get_one(Run, make_run(session, cases=4, imported=True))
        run.succeeded, run.title = 8, RUN
        session.add(run)
        pick_label(session, run.id, 0, checked("good"))
        pick_label(session, run.id, 2, checked("bad"))
    return sqlite_db


@pytest.fixture
def strict(loaded: Database, server: Witness) -> Database:
    """A judge that is known, priced, and says what it is told to."""
    server.reset()
    server.reply("judge", '{"reason": "Curt, not *rude*.", "verdict": "yes"}')
    add_model(
        loaded, server, "judge", name="strict", input_price=Decimal(3), output_price=Decimal(15)
    )
    with loaded.session_scope("user:admin") as session:
        set_setting(session, "evaluators", {"tone": SAVED})
    return loaded


def badges(found) -> list[str]:
    return [one.value for one in found.markdown if "-badge[" in one.value]


def generations(database: Database) -> list[Generation]:
    with database.read_scope() as session:
        return list(session.exec(select(Generation)))


def asked(found, database: Database):
    """Press the button and wait until the answers are there."""
    found.button(key="judge_ask").click().run()
    assert not found.exception
    deadline = time.monotonic() + 10
    while any(one.state == "sent" for one in generations(database)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found.run()


def test_a_rule_scores_three_answers_of_a_run_at_once(loaded):
    found = page("evaluators", id="length")
    assert not found.exception
    assert found.selectbox(key="evaluator_run").options[0].startswith(f"{RUN} · 8 answers")
    shown = badges(found)
    assert len([one for one in shown if ":blue-badge" in one]) == 3
    assert "✓ Good" in "".join(shown)
    assert "✗ Bad" in "".join(shown)
    found.query_params["on"] = "typed"
    found.run()
    found.text_area(key="evaluator_output").set_value("four").run()
    assert ":blue-badge[4]" in "".join(badges(found))


def test_without_its_rubric_a_judge_has_answers_and_no_button(loaded):
    found = page("evaluators", id="judge")
    assert "answer 0 of arm 0, 1" in words(found)
    assert not [one for one in found.button if one.key == "judge_ask"]


def test_a_judge_without_a_run_says_what_it_waits_for(workspace):
    assert "No run has answers yet" in words(page("evaluators", id="judge"))


def test_prompt_and_cost_come_first_and_each_answer_is_asked_for_once(strict, server):
    found = page("evaluators", id="tone")
    assert not found.error
    assert words(found).count("Is it **polite**?") == 3
    assert "3 calls of strict" in words(found)
    assert found.button(key="judge_ask").label.startswith("Ask for 3 answers (\\$0")
    assert server.counts().requests == 0
    found = asked(found, strict)
    assert words(found).count("Curt, not *rude*.") == 3
    assert len([one for one in badges(found) if ":blue-badge[1]" in one]) == 3
    assert "These answers cost" in words(found)
    rows = generations(strict)
    assert {row.actor for row in rows} == {"user:admin"}
    assert "Is it **polite**?" in str(rows[0].request["messages"])
    assert words(page("evaluators", id="tone")).count("Curt, not *rude*.") == 3
    assert server.counts().requests == 3
    with strict.session_scope("user:admin") as session:
        set_setting(session, "evaluators", {"tone": {**SAVED, "rubric": "Short."}})
    found.run()
    assert "Curt" not in words(found)
    assert found.button(key="judge_ask").label.startswith("Ask for 3")


def test_nonsense_and_a_broken_judge_are_unscored_with_the_reason(strict, server):
    server.reply("judge", "I cannot say")
    found = asked(page("evaluators", id="tone"), strict)
    assert words(found).count("gave no verdict on the scale: I cannot say") == 3
    assert "unscored" in "".join(badges(found))
    add_model(strict, server, "r401", name="strict")
    found.run()
    assert found.button(key="judge_ask").label == "Ask for 3 answers (unpriced)"
    found = asked(found, strict)
    assert not [one for one in badges(found) if ":blue-badge" in one]
    assert "401" in words(found)


def test_who_only_looks_may_not_ask(strict, server):
    found = page("evaluators", id="tone")
    with strict.session_scope("system") as session:
        user = session.get_one(User, "admin")
        user.role = "viewer"
        session.add(user)
    found.button(key="judge_ask").click().run()
    assert "needs the role engineer" in words(found)
    assert server.counts().requests == 0


def test_a_judges_number_stands_beside_its_agreement(strict):
    with strict.session_scope("user:admin") as session:
        run = session.exec(select(Run)).one()
        frozen = {
            "name": "tone", "spec": SAVED,
            "judge": {
                "prompt": {"messages": [{"role": "user", "content": "{{ case }}"}]},
                "prompt_name": "judge",
                "model": {"name": "strict", "settings": {"kind": "echo", "model": "echo"}},
            },
        }  # fmt: skip
        run.manifest = {**run.manifest, "evaluators": [frozen]}
        session.add(run)
        score_run(session, run.id, "tone", lambda cell: float(cell.arm == 1))
        run_id = run.id
    for found in (page("evaluators", id="tone"), page("runs", id=run_id, tab="overview")):
        assert not found.exception
        assert "tone against people: kappa" in words(found).replace("\\", "")
    with strict.session_scope("user:admin") as session:
        set_setting(session, "evaluators", {"tone": {**SAVED, "rubric": "Short."}})
    found = page("evaluators", id="tone")
    assert "not scored by this judge" in words(found)


def test_the_administrators_files_are_listed_and_not_to_be_changed(loaded, tmp_path):
    use_folder(tmp_path)
    (tmp_path / "polite.py").write_text('"""Says please."""\ndef score(output, case): return 1')
    found = page("evaluators")
    assert not found.exception
    rows = [table.value.to_dict("records") for table in found.dataframe]
    assert any(row.get("name") == "python:polite" for one in rows for row in one)
    assert not found.text_area


def test_a_judge_of_pairs_is_asked_in_both_orders_as_in_a_run(strict, server):
    pairs = {"kind": "pairwise", "name": "duel", "rubric": "The better one.", "model": "strict"}
    with strict.session_scope("user:admin") as session:
        set_setting(session, "evaluators", {"duel": pairs})
    server.reply("judge", '{"reason": "It came first.", "verdict": "A"}')
    found = page("evaluators", id="duel")
    assert not found.exception
    assert found.button(key="judge_ask").label.startswith("Ask for 6 answers")
    found = asked(found, strict)
    assert len(server.requests()) == 6
    shown = "".join(badges(found))
    assert shown.count(":blue-badge[1]") == 3
    assert shown.count(":blue-badge[0]") == 3
    assert shown.count(":blue-badge[0\\.5]") == 3
    assert words(found).count("A tie, as where the orders differ.") == 3
    cases = [one.value for one in found.code if '"A":' in one.value and '"B":' in one.value]
    assert len(cases) == 6
    assert len(set(cases)) == 6


def test_what_a_judge_still_needs_is_no_error(loaded):
    found = page("evaluators", id="judge")
    assert "To fill in: rubric" in words(found)
    assert ":material/error:" not in words(found)


@pytest.mark.parametrize("taken", ["tone", "exact"])
def test_a_name_that_is_taken_is_not_overwritten(strict, taken):
    found = page("evaluators", id="regex")
    found.text_area(key="evaluator_regex_pattern").set_value("x").run()
    name = next(one for one in found.text_input if one.label == "Name")
    name.set_value(taken).run()
    next(one for one in found.button if one.label == "Save evaluator").click().run()
    assert f"There is an evaluator {taken} already." in words(found).replace("\\", "")
    with strict.read_scope() as session:
        assert get_setting(session, "evaluators", {}) == {"tone": SAVED}
