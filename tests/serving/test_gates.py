"""A promotion stands on the arms of a run that are the release, and on no others."""

import pytest

from core import audit
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.models import Run
from evalsets.runs.manifest import Manifest
from serving import aliases, gates
from serving.as_model import freeze_apps
from serving.from_arm import settings_from_arm
from serving.lookup import need_app, resolve
from serving.service import delete_app
from tests.support.apps import ACTOR, arms_run, change, make_app, push, release
from tests.support.runs_factory import make_run


@pytest.fixture
def faq(db: Database) -> Database:
    """Release 1 of `faq`, which is the second version of its prompt on echo."""
    push(db, "Answer {{ question }}")
    push(db, "Answer well: {{ question }}")
    make_app(db)
    release(db)
    return db


def good(second: int, of: int = 12) -> dict[int, str]:
    """Labels of a run over two arms: the first arm all bad, of the second so many good."""
    odd = {2 * row + 1: "good" if row < second else "bad" for row in range(of)}
    return {2 * row: "bad" for row in range(of)} | odd


def promote(db: Database, gate: str, **how):
    with db.session_scope(ACTOR) as session:
        return gates.promote_on(session, "faq", 1, "production", gates.parse_gate(gate), **how)


def points_at(db: Database, alias: str = "production") -> int | None:
    with db.read_scope() as session:
        try:
            return resolve(session, "faq", alias).release.number
        except NotFound:
            return None


def test_a_gate_names_a_run_and_figures() -> None:
    found = gates.parse_gate(" 01J: share_good>=80% and errors==0")
    assert found.run == "01J"
    assert [str(one) for one in found.gates] == ["share_good>=0.8", "errors==0"]
    for text in ("share_good>=0.8", ":share_good>=0.8", "01J:", "01J"):
        with pytest.raises(Invalid, match="RUN:EXPR"):
            gates.parse_gate(text)
    with pytest.raises(Invalid, match="is no gate"):
        gates.parse_gate("01J:good")


def test_only_the_arm_of_the_release_is_gated(faq: Database) -> None:
    run = arms_run(faq, labels=good(11))
    found = promote(faq, f"{run}:share_good>=0.8, errors==0", reason="labeled")
    assert found.result.holds
    assert found.move is not None
    assert points_at(faq) == 1
    evidence = found.move.evidence
    assert evidence is not None
    assert (evidence["run"], evidence["arm"], evidence["holds"]) == (run, "faq@2 | echo", True)
    assert evidence["gate"] == "share_good>=0.8, errors==0"
    assert [one["arm"] for one in evidence["arms"]] == ["faq@1 | echo", "faq@2 | echo"]
    # control: the other arm of the same run would have failed this gate
    push(faq, "Answer {{ question }}", name="other")
    make_app(faq, "first", prompt="faq@1")
    release(faq, "first")
    with faq.session_scope(ACTOR) as session:
        gate = gates.parse_gate(f"{run}:share_good>=0.8")
        assert not gates.promote_on(session, "first", 1, "production", gate).result.holds


def test_below_the_gate_nothing_moves_and_the_refusal_is_kept(faq: Database) -> None:
    run = arms_run(faq, labels=good(7))
    found = promote(faq, f"{run}:share_good>=0.8")
    assert found.move is None
    assert [one.sentence for one in found.result.failures] == [
        "faq@2 | echo: share_good is 0.583333333333, which fails share_good>=0.8."
    ]
    assert points_at(faq) is None
    with faq.read_scope() as session:
        row = audit.rows(session, limit=1)[0]
        assert (row.action, row.object) == ("app.promote_refused", "faq")
        assert row.detail["gate"] == f"{run}:share_good>=0.8"
        assert aliases.moves(session, need_app(session, "faq")) == []


def test_a_figure_without_a_value_fails(faq: Database) -> None:
    run = arms_run(faq)
    assert not promote(faq, f"{run}:share_good>=0").result.holds


def test_a_run_without_the_release_says_which_arms_it_has(faq: Database) -> None:
    run = arms_run(faq, ("faq@1",))
    with pytest.raises(Invalid, match=r"The run has faq@1 \| echo"):
        promote(faq, f"{run}:errors==0")
    with pytest.raises(NotFound, match="no run"):
        promote(faq, "01J:errors==0")


def test_a_run_that_goes_on_proves_nothing(faq: Database) -> None:
    run = arms_run(faq, status="running")
    with pytest.raises(Conflict, match="is running"):
        promote(faq, f"{run}:errors==0")


def test_other_parameters_are_another_release(faq: Database) -> None:
    run = arms_run(faq, params=[("temperature", 0.5)])
    with pytest.raises(Invalid, match="No arm"):
        promote(faq, f"{run}:errors==0")
    change(faq, params={"temperature": 0.5})
    release(faq)
    with faq.read_scope() as session:
        found = gates.candidate(session, "faq", "latest")
        assert gates.arms_of(session, found, run) == ["faq@2 | echo"]


def test_a_prompt_is_known_by_its_content_and_not_by_its_name(faq: Database) -> None:
    """An imported release may call another prompt faq@2."""
    run = arms_run(faq)
    with faq.read_scope() as session:
        mine = gates.candidate(session, "faq", 1)
        assert gates.arms_of(session, mine, run) == ["faq@2 | echo"]
        prompt = mine.manifest.prompt
        content = prompt.content.model_copy(update={"options": {"temperature": 1}})
        prompt = prompt.model_copy(update={"content": content, "hash": "0" * 64})
        other = mine.manifest.model_copy(update={"prompt": prompt})
        with pytest.raises(Invalid, match="No arm"):
            gates.arms_of(session, mine._replace(manifest=other), run)


def test_the_runs_that_prove_a_release_are_found(faq: Database) -> None:
    arms_run(faq, ("faq@1",))
    runs = [arms_run(faq), arms_run(faq)]
    arms_run(faq, status="running")
    with faq.read_scope() as session:
        found = gates.proving_runs(session, gates.candidate(session, "faq", 1))
    assert [one.id for one in found] == runs[::-1]


def test_a_canary_takes_evidence_too(faq: Database) -> None:
    run = arms_run(faq, labels=good(11))
    with faq.session_scope(ACTOR) as session:
        aliases.promote(session, "faq", 1, "production")
    change(faq, repair=False)
    assert release(faq).number == 2
    with faq.session_scope(ACTOR) as session:
        gate = gates.parse_gate(f"{run}:share_good>=0.8")
        found = gates.promote_on(session, "faq", 2, "production", gate, canary=10)
    assert found.move is not None
    assert (found.move.kind, found.move.percent) == ("canary", 10)
    assert points_at(faq) == 1


def app_run(db: Database, *refs: str) -> str:
    """A completed run whose arms are whole apps."""
    with db.session_scope(ACTOR) as session:
        arms = freeze_apps(session, refs)
        run_id = make_run(session, cases=4, arms=[arm.name for arm in arms])
        run = session.get(Run, run_id)
        assert run is not None
        run.manifest = Manifest(arms=arms).model_dump(mode="json")
        session.add(run)
    return run_id


def test_an_arm_that_is_the_whole_app_is_the_release(faq: Database) -> None:
    change(faq, repair=False)
    release(faq)
    run = app_run(faq, "faq@1", "faq@2")
    with faq.read_scope() as session:
        for number in (1, 2):
            found = gates.candidate(session, "faq", number)
            assert gates.arms_of(session, found, run) == [f"app:faq@{number}"]
            assert [one.id for one in gates.proving_runs(session, found)] == [run]
    alone = app_run(faq, "faq@1")
    with faq.read_scope() as session, pytest.raises(Invalid, match="--app faq@2"):
        gates.arms_of(session, gates.candidate(session, "faq", 2), alone)


def test_another_app_of_the_name_proves_nothing(faq: Database) -> None:
    run = app_run(faq, "faq@1")
    with faq.session_scope(ACTOR) as session:
        delete_app(session, "faq")
    make_app(faq)
    release(faq)
    with faq.read_scope() as session, pytest.raises(Invalid, match="No arm"):
        gates.arms_of(session, gates.candidate(session, "faq", 1), run)


def test_an_app_is_not_made_of_an_app(faq: Database) -> None:
    run = app_run(faq, "faq@1")
    with faq.read_scope() as session, pytest.raises(Invalid, match="Promote its release faq@1"):
        settings_from_arm(session, run, "app:faq@1")
