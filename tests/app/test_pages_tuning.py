"""Trainings on their page: planned with what will happen, started, followed, ended; roles hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.server import merges, row_checks, training_starts
from app.workspace.components import tuning_chart
from app.workspace.components.tuning_points import Losses
from connectors.backends.models import BackendSettings
from connectors.backends.service import add_backend, serve_adapter
from core.clock import utcnow
from core.database import Database
from core.jobs import place
from core.models import User
from core.users import get_user
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import push
from evalsets.labels.service import Press, checked, item_of, save_label
from tests.support.models import folder
from tests.support.pages import page, speak, words
from tests.support.runs_factory import make_run
from tuning import environment, jobs
from tuning.folders import adapter_folder, job_folder
from tuning.models import TuningPoint
from tuning.request import settings_of
from tuning.service import TuneRequest, start
from tuning.serving import serving_of

HERE = "user:admin"


def rows(n: int = 16, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"r{i}", "messages": [{"role": "user", "content": f"what is item {i}?"}],
            "expected": f"zebra {i}", "split": "dev" if i % 8 == 0 else "train", **more,
        }
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture
def trained(workspace, sqlite_db: Database, tmp_path: Path, monkeypatch) -> Iterator[Database]:
    """A backend whose files lie here, rows to learn, and a trainer that is never run."""
    monkeypatch.setenv(environment.NAMED, "/bin/sh")
    source = folder(tmp_path / "model")
    with sqlite_db.session_scope(HERE) as session:
        push(session, "codes", typed_cases(rows()))
        add_backend(session, "mine", BackendSettings(kind="vllm", source=str(source)))
    yield sqlite_db
    training_starts.forget(HERE)
    row_checks.forget("codes", 1)


def begin(db: Database, name: str = "one", **params: Any) -> str:
    asked = settings_of("sft", "lora", {"steps": 12, "batch": 4} | params)
    return start(db, HERE, TuneRequest(name, "mine", "codes", None, *asked), None)


def told(db: Database, job_id: str, **fields: Any) -> None:
    """What its owner would have written."""
    with db.session_scope("worker") as session:
        job = jobs.row(session, job_id)
        for field, value in fields.items():
            setattr(job, field, value)
        session.add(job)


def points(db: Database, job_id: str, *given: tuple[str, int, float, str | None]) -> None:
    with db.session_scope("worker") as session:
        for number, (kind, step, value, text) in enumerate(given):
            session.add(TuningPoint(
                job_id=job_id, number=number, kind=kind, step=step, value=value, text=text
            ))  # fmt: skip


@contextmanager
def owned(db: Database, job_id: str) -> Iterator[None]:
    """A worker has the job, and lives."""
    data = db.settings.data
    lock = jobs.job_lock(data, job_id)
    assert lock.try_acquire(str(os.getpid()))
    with db.session_scope("worker") as session:
        assert jobs.take(session, f"{place(data)}:{os.getpid()}", job_id, dead=False)
    try:
        yield
    finally:
        lock.release()


def status(db: Database, name: str = "one") -> jobs.JobPublic:
    with db.read_scope() as session:
        return jobs.get(session, db.settings.data, name)


def has_role(db: Database, role: str) -> None:
    with db.session_scope("system") as session:
        user: User = get_user(session, "admin")
        user.role = role
        session.add(user)


def tables(found) -> str:
    return str([one.value.to_dict() for one in found.dataframe])


def labels(found) -> list[str]:
    return [one.label for one in found.button]


def drawer(**query: str):
    """The drawer of a new training when the rows are looked through."""
    found = page("tuning", do="new", **query)
    check = row_checks.find("codes", 1)
    assert check is not None
    assert check.done.wait(20)
    found.selectbox(key="tuning_base").set_value("mine")
    return found.run()


def test_nothing_yet_says_how_many_answers_are_worth_it(trained: Database) -> None:
    with trained.session_scope("user:ann") as session:
        run = make_run(session, cases=[{"q": "one"}, {"q": "two"}, {"q": "three"}], imported=True)
        for cell, label, more in ((0, "good", None), (2, "bad", "Better."), (4, "bad", None)):
            item = item_of(session, run, cell)
            save_label(session, item, checked(label, correction=more), Press("import"))
    found = page("tuning")
    assert not found.exception
    assert "you have 2." in words(found)
    assert not found.button(key="tuning_new").disabled


def test_without_a_trainer_the_command_stands_there(trained: Database, monkeypatch) -> None:
    monkeypatch.setenv(environment.NAMED, "/nowhere/python")
    import streamlit

    streamlit.cache_data.clear()
    found = page("tuning")
    assert "names no program" in words(found)
    assert found.button(key="tuning_new").disabled
    assert "Start training" not in labels(page("tuning", do="new"))
    speak(trained, "zh")
    assert "指的不是程序" in words(page("tuning"))
    streamlit.cache_data.clear()


def test_a_training_is_planned_and_started(trained: Database) -> None:
    found = drawer()
    assert not found.exception
    said = words(found)
    assert "14 rows to learn, 2 held out" in said
    assert "No row gives away" in said
    assert "Memory: about 1.0 GiB" in said
    assert "unknown until it has run" in said
    assert found.number_input(key="tuning_knob_epochs").placeholder == "7"
    assert found.number_input(key="tuning_knob_learning_rate").placeholder == "0.0002"
    found.button(key="tuning_start").click().run()
    assert "no name" in found.error[0].value
    found.text_input(key="tuning_name").set_value("one")
    found.number_input(key="tuning_knob_steps").set_value(30)
    found.number_input(key="tuning_knob_rank").set_value(4)
    found = found.run()
    assert "30 updates of 4 rows" in words(found)
    found.button(key="tuning_start").click().run()
    asked = training_starts.find(HERE)
    assert asked is None or asked.done.wait(20)
    job = status(trained)
    assert (job.status, job.author, job.manifest.base.name) == ("queued", HERE, "mine")
    assert job.manifest.knobs.steps == 30
    assert job.manifest.adapter.model_dump()["rank"] == 4


def test_what_is_seldom_needed_goes_along(trained: Database) -> None:
    with trained.session_scope(HERE) as session:
        other = [{"role": "user", "content": "How long does a parcel to Oslo take?"}]
        push(session, "apart", typed_cases(rows(1, messages=other, expected="Four days.")))
    found = drawer(data="codes@1")
    found.text_input(key="tuning_name").set_value("one")
    found.selectbox(key="tuning_eval").set_value("apart@1")
    found.number_input(key="tuning_memory").set_value(2.0)
    params = "dropout=0.2\n\nneftune_noise_alpha = 5"
    found.text_area(key="tuning_params").set_value(f"{params}\nrank")
    assert "Line 4 is not KEY=VALUE: rank" in words(found.run()).replace("\\", "")
    found.text_area(key="tuning_params").set_value(f"{params}\nrank=4")
    found.number_input(key="tuning_knob_rank").set_value(8)
    assert "rank is set above and" in words(found.run()).replace("\\", "")
    found.number_input(key="tuning_knob_rank").set_value(None)
    found.run().button(key="tuning_start").click().run()
    asked = training_starts.find(HERE)
    assert asked is None or (asked.done.wait(20) and asked.error is None), asked
    manifest = status(trained).manifest
    assert manifest.evaluation is not None
    assert manifest.evaluation.dataset == "apart"
    adapter = manifest.adapter.model_dump()
    assert (adapter["rank"], adapter["dropout"]) == (4, 0.2)
    assert manifest.params == {"neftune_noise_alpha": 5}
    assert manifest.memory == 2 << 30


def test_a_refused_start_is_said_in_the_drawer(trained: Database) -> None:
    begin(trained)
    found = drawer()
    found.text_input(key="tuning_name").set_value("one")
    found.run().button(key="tuning_start").click().run()
    asked = training_starts.find(HERE)
    assert asked is not None
    assert asked.done.wait(20)
    assert "There is a tuning job one already" in words(found.run())


def test_the_speed_of_earlier_trainings_tells_the_time(trained: Database) -> None:
    told(trained, begin(trained), tokens_per_second=100.0)
    assert "at the speed of earlier trainings" in words(drawer())
    found = drawer()
    found.selectbox(key="tuning_adapter").set_value("full").run()
    assert "unknown until it has run" in words(found)


def test_leaks_are_named_and_not_started(trained: Database) -> None:
    exam = [{"id": "h", "messages": rows()[3]["messages"], "expected": "x", "split": "test"}]
    with trained.session_scope(HERE) as session:
        push(session, "exam", typed_cases(exam))
    found = drawer(data="codes@1")
    assert "gives away cases" in words(found)
    found.text_input(key="tuning_name").set_value("one")
    assert found.run().button(key="tuning_start").disabled


def test_bad_rows_need_a_tick(trained: Database) -> None:
    bad = {"id": "bad", "messages": [{"role": "user", "content": "nothing?"}]}
    with trained.session_scope(HERE) as session:
        push(session, "codes", typed_cases([*rows(), bad]))
    found = page("tuning", do="new")
    check = row_checks.find("codes", 2)
    assert check is not None
    assert check.done.wait(20)
    found.selectbox(key="tuning_base").set_value("mine")
    found.text_input(key="tuning_name").set_value("one")
    found = found.run()
    assert "has no answer to learn" in tables(found)
    assert found.button(key="tuning_start").disabled
    found.checkbox[0].check().run()
    found.button(key="tuning_start").click().run()
    asked = training_starts.find(HERE)
    assert asked is None or asked.done.wait(20)
    assert status(trained).manifest.data.rows == 14


def test_a_running_training_shows_its_course(trained: Database) -> None:
    job_id = begin(trained)
    told(trained, job_id, step=6, steps=12, tokens_per_second=1204.0, peak_memory_gb=2.1)
    points(
        trained, job_id, ("loss", 1, 3.2, None), ("loss", 6, 1.5, None), ("eval_loss", 6, 1.7, None)
    )
    log = job_folder(trained.settings.data, job_id) / "trainer.log"
    log.write_text("hello ![x](http://evil/x.png)\n")
    with owned(trained, job_id):
        found = page("tuning", id="one")
        assert not found.exception
        assert labels(found).count("Stop") == 1
        assert found.get("vega_lite_chart")
        said = words(found)
        found.button(key="tuning_stop").click().run()
        assert "after this step and keeps a checkpoint" in words(found)
        assert found.button(key="tuning_stop").disabled
    assert "Loss 3.200 at first, 1.500 at step 6." in said
    assert "Evaluation loss lowest at step 6, 1.700" in said
    assert "hello" in said
    assert "1.700" in tables(found)


def test_figures_are_in_the_catalogue(trained: Database) -> None:
    job_id = begin(trained)
    told(trained, job_id, status="completed", step=12, steps=12, eval_loss=1.25, ended_at=utcnow())
    begin(trained, "two")
    found = page("tuning")
    assert all(text in tables(found) for text in ("12 of 12", "1.250", "sft, lora", "two"))
    found.query_params["status"] = "running"
    said = tables(found.run())
    assert "two" in said
    assert "one" not in said
    found.query_params["status"], found.query_params["q"] = "all", "on"
    assert "two" not in tables(found.run())


def test_a_queued_training_is_stopped_resumed_and_cancelled(trained: Database) -> None:
    begin(trained)
    found = page("tuning", id="one")
    assert "Next in line" in words(found)
    found.button(key="tuning_stop").click().run()
    assert status(trained).status == "stopped"
    found.button(key="tuning_resume").click().run()
    assert status(trained).status == "queued"
    found = page("tuning", id="one", do="cancel")
    next(one for one in found.button if one.label == "Cancel training").click().run()
    assert status(trained).status == "cancelled"
    assert "tuning_resume" not in [one.key for one in found.button]


def test_why_it_failed_stands_there_inert(trained: Database) -> None:
    job_id = begin(trained)
    told(trained, job_id, status="failed", reason="![x](http://evil/x.png)", ended_at=utcnow())
    found = page("tuning", id="one")
    assert "evil" in found.error[0].value
    assert "![x]" not in found.error[0].value
    assert "Resume" in labels(found)


def test_data_shows_the_rows_as_the_model_sees_them(trained: Database) -> None:
    begin(trained)
    found = page("tuning", id="one", tab="data")
    assert not found.exception
    hashes = status(trained).manifest
    assert hashes.data.hash in tables(found)
    assert hashes.evaluation is not None
    assert hashes.evaluation.hash in tables(found)
    assert "what is item 0?" in tables(found)


def test_samples_stand_newest_first_beside_what_is_expected(trained: Database) -> None:
    job_id = begin(trained)
    points(trained, job_id, ("sample", 2, 0, "first"), ("sample", 4, 0, "second"),
           ("sample", 4, 1, "other"))  # fmt: skip
    found = page("tuning", id="one", tab="samples")
    assert not found.exception
    said = words(found)
    assert "what is item 0?" in said
    assert "zebra 8" in said
    assert said.index("Step 4") < said.index("Step 2")


@pytest.mark.parametrize(("role", "acts"), [("viewer", False), ("engineer", True)])
def test_only_makers_act(trained: Database, role: str, acts: bool) -> None:
    begin(trained)
    has_role(trained, role)
    found = page("tuning", id="one", do="cancel")
    assert ("Stop" in labels(found)) is acts
    assert ("Cancel training" in labels(found)) is acts
    found = page("tuning", do="new")
    assert ("New training" in labels(found)) is acts
    assert ("Start training" in labels(found)) is acts
    if acts:
        assert not found.selectbox(key="tuning_base").proto.accept_new_options, "no paths"


def test_the_axis_of_losses_does_not_move_with_each_point() -> None:
    assert tuning_chart.top_of({1: 3.2}) == tuning_chart.top_of({1: 3.2, 2: 3.6}) == 4
    assert tuning_chart.top_of({}) == 1
    assert tuning_chart.top_of({1: 0.031}) == pytest.approx(0.04)
    found = Losses("x", {1: 2.0, 5: 1.0}, {2: 1.5, 4: 1.2})
    assert "lowest at step 4, 1.200; now 1.200" in tuning_chart.finding(found)


def test_chinese_says_the_same(trained: Database) -> None:
    begin(trained)
    speak(trained, "zh")
    found = page("tuning")
    assert "微调" in words(found)
    for tab in ("progress", "samples", "proof", "lineage"):
        found.query_params["id"], found.query_params["tab"] = "one", tab
        assert not found.run().exception


def ended(db: Database, job_id: str, **more: Any) -> None:
    """What a training that ended left in the database."""
    result = {"step": 12, "early": False, "adapter_hash": "ab" * 32, "tokens": 1, "versions": {}}
    told(
        db, job_id, status="completed", step=12, steps=12, ended_at=utcnow(), result=result, **more
    )


PARITY = {
    "prompts": 20, "token_ids_equal": 20, "answers_equal": 19,
    "differences": [{"prompt": 3, "where": "answer", "token": 4, "trainer": "zebra", "server": "<b>"}],
}  # fmt: skip


def test_a_training_is_proven_and_published(trained: Database) -> None:
    job_id = begin(trained)
    ended(trained, job_id)
    found = page("tuning", id="one", tab="proof")
    assert not found.exception
    assert "one over the held-out cases of codes@1" in words(found).replace("\\", "")
    found.button(key="tuning_prove").click().run()
    asked = serving_of(status(trained))
    assert asked is not None
    assert (asked.state, asked.publish) == ("asked", False)
    assert asked.proof is not None
    assert (asked.proof.dataset, asked.proof.base) == ("codes@1", "mine")
    assert "A worker will bring the model" in words(found)
    assert "Publish" not in labels(found)

    with trained.session_scope("user:ann") as session:
        run_id = make_run(session, cases=[{"q": "x"}], imported=True)
    ready = asked.model_copy(update={"state": "ready"}).model_dump(mode="json")
    told(trained, job_id, serving=ready, parity=PARITY, proof_run=run_id, backend="mine")
    found = page("tuning", id="one")
    assert "the same greedy answer in 19" in words(found), "in sight on every tab"
    found.button(key="tuning_publish").click().run()
    assert found.query_params["tab"] == "proof"
    assert "zebra" in tables(found)
    asked = serving_of(status(trained))
    assert asked is not None
    assert asked.publish


def test_what_speaks_against_a_proof_is_said(trained: Database) -> None:
    begin(trained)
    assert "Let it end first" in words(page("tuning", id="one", tab="proof"))
    ended(trained, status(trained).id, serving={
        "state": "failed", "reason": "No ![x](http://evil/y.png)",
        "route": {"kind": "peft", "backend": "one"},
    })  # fmt: skip
    found = page("tuning", id="one", tab="proof")
    assert "evil" in found.error[0].value
    assert "![x]" not in found.error[0].value


def test_a_model_is_published_to_a_backend_and_taken_down(trained: Database) -> None:
    job_id = begin(trained)
    ended(trained, job_id)
    with trained.session_scope(HERE) as session:
        source = str(trained.settings.data.parent / "model")
        add_backend(session, "host", BackendSettings(kind="vllm", source=source, lora=True))
    found = page("tuning", id="one", do="publish")
    found.selectbox(key="tuning_publish_backend").set_value("host")
    next(b for b in found.button if b.label == "Publish").click().run()
    asked = serving_of(status(trained))
    assert asked is not None
    assert asked.route.backend == "host"
    told(trained, job_id, serving=asked.model_copy(update={"state": "ready"}).model_dump())
    with trained.session_scope(HERE) as session:
        serve_adapter(session, "host", "one", adapter_folder(trained.settings.data, job_id))
    made = page("models", id="one")
    assert not made.exception
    links = [one.proto.label for one in made.get("page_link")]
    assert any("From the training one" in link for link in links)
    found = page("tuning", id="one", do="down")
    next(b for b in found.button if b.label == "Take model down").click().run()
    assert status(trained).serving is None


def test_the_lineage_leads_to_its_parents(trained: Database) -> None:
    ended(trained, begin(trained))
    found = page("tuning", id="one", tab="lineage")
    assert not found.exception
    said = words(found)
    assert status(trained).manifest.base.hash in said
    assert "ab" * 32 in said
    assert "lora; learning_rate=0.0002" in said


def test_what_cannot_be_merged_is_said_in_the_drawer(trained: Database) -> None:
    ended(trained, begin(trained))
    found = page("tuning", id="one", do="merge")
    next(b for b in found.button if b.label == "Merge into full weights").click().run()
    made = merges.find(status(trained).id)
    assert made is not None
    assert made.done.wait(20)
    assert made.error is not None
    assert found.run().error
