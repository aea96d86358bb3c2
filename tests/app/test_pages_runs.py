"""Runs, labels and verdicts through their pages."""

import json
from decimal import Decimal

import pytest
from sqlmodel import col, select

from app import example
from app.workspace.components import labeling, plan_address
from app.workspace.tabs import runs_drawers
from core.database import Database
from evalsets.datasets import service as datasets
from evalsets.labels.queue_plan import PlanForm, create_queue
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import Label, Run
from evalsets.runs import service as runs
from evalsets.runs.manifest import Manifest
from prompts import service
from prompts.content import MessageTemplate, PromptContent
from tests.support.pages import matrix, page, speak, words
from tests.support.running import add_cases
from tests.support.runs_factory import make_run

ARMS = ("base@1 | echo", "base@2 | echo", "other@1 | echo")


def output(row: int, arm: int, repeat: int) -> str | None:
    return None if (row, arm) == (3, 2) else f"answer {row} of arm {arm}"


@pytest.fixture
def run(workspace, sqlite_db: Database) -> str:
    with sqlite_db.session_scope("user:admin") as session:
        return make_run(session, cases=60, arms=ARMS, output=output, imported=True)


def label_some(database: Database, run_id: str, rows: int) -> None:
    with database.session_scope("user:ann") as session:
        for row in range(rows):
            for arm in range(2):
                item = item_of(session, run_id, row * len(ARMS) + arm)
                good = arm == 1 or row % 3 == 0
                save_label(session, item, checked("good" if good else "bad"), Press("import"))


def test_the_list_names_state_and_progress(run):
    found = page("runs")
    assert not found.exception
    row = found.dataframe[0].value.iloc[0]
    assert row["state"] == "completed"
    assert row["id"] == run


@pytest.mark.parametrize("tab", ["overview", "cases", "verdict", "settings"])
def test_every_tab(run, tab):
    found = page("runs", id=run, tab=tab)
    assert not found.exception
    assert not found.error


def test_the_matrix_pages_by_fifty(run):
    found = page("runs", id=run, tab="cases")
    first = matrix(found)
    assert len(first) == 50
    found.button(key="matrix_next").click().run()
    second = matrix(found)
    assert len(second) == 10
    assert set(first["case"]) & set(second["case"]) == set()
    found.button(key="matrix_previous").click().run()
    assert list(matrix(found)["case"]) == list(first["case"])


def test_failed_cells_have_their_filter_and_their_word(run):
    found = page("runs", id=run, tab="cases", f="failed")
    frame = matrix(found)
    assert list(frame["case"]) == ["c3"]
    assert frame.iloc[0]["arm_2"].startswith("!")


def test_a_cell_opens_whole_and_takes_a_label(run, sqlite_db):
    found = page("runs", id=run, tab="cases", sel="4")
    assert "number 1" in words(found)
    found.button(key="cell_bad").click().run()
    assert not found.error
    with sqlite_db.read_scope() as session:
        rows = session.exec(select(Label)).all()
    assert [(one.label, one.cell, one.annotator, one.source) for one in rows] == [
        ("bad", 4, "admin", "picked")
    ]
    frame = matrix(page("runs", id=run, tab="cases"))
    assert frame.iloc[1]["arm_1"].startswith("✗")


def test_a_dead_cell_is_a_sentence(run):
    found = page("runs", id=run, tab="cases", sel="99999")
    assert not found.exception
    assert "has no cell" in words(found)


def test_without_labels_there_is_no_word_and_no_share(run):
    found = page("runs", id=run, tab="verdict")
    assert "Too few labels" in words(found)
    assert "better" not in " ".join(one.value for one in found.subheader)
    assert "No pair is judged on both sides yet." in words(found)
    assert "95 % interval" not in words(found)  # no caption of a chart that there is not


def test_arms_judged_alike_are_said_to_be_judged_alike(run, sqlite_db):
    with sqlite_db.session_scope("user:admin") as session:
        for cell in (0, 1, 2):
            save_label(session, item_of(session, run, cell), checked("good"), Press("import"))
    found = page("runs", id=run, tab="verdict")
    assert "Both arms were judged alike on every pair." in words(found)


def test_a_decided_run_says_who_is_better_with_interval_and_n(run, sqlite_db):
    label_some(sqlite_db, run, 45)
    found = page("runs", id=run, tab="verdict")
    text = words(found).replace("\\", "")
    assert "base@2 | echo is better than base@1 | echo" in text
    assert "+67 points (+" in text
    assert "n = 45" in str(found.dataframe[0].value)


def test_reading_twice_counts_the_looks(run, sqlite_db):
    label_some(sqlite_db, run, 20)
    page("runs", id=run, tab="verdict")
    label_some(sqlite_db, run, 30)
    assert "read 2 times" in words(page("runs", id=run, tab="verdict"))


def test_promoting_moves_the_alias_with_its_evidence(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    with sqlite_db.read_scope() as session:
        run_id = example.known_run(session)
    found = page("runs", id=run_id, tab="verdict", do="promote", arm="news@2 | demo")
    next(b for b in found.button if b.label.startswith("Promote news")).click().run()
    assert not found.error
    with sqlite_db.read_scope() as session:
        move = service.alias_moves(session, "news", "production")[0]
    assert (move.from_version, move.to_version) == (1, 2)
    assert move.evidence is not None
    assert move.evidence["run"] == run_id


def test_the_example_says_that_news_2_is_better(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    example.load(sqlite_db, "user:admin")
    with sqlite_db.read_scope() as session:
        assert len(session.exec(select(Run)).all()) == 1
        run_id = example.known_run(session)
    found = page("runs", id=run_id, tab="verdict")
    assert "news@2 | demo is better than news@1 | demo" in words(found).replace("\\", "")


def test_the_plan_proposes_the_cases_that_its_prompt_reads(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")  # touched last, and nothing for this prompt
    add_cases(sqlite_db, [{"ticket": "It broke."}], "tickets")
    with sqlite_db.session_scope("cli:tester") as session:
        content = PromptContent(messages=(MessageTemplate(role="user", content="{{ ticket }}"),))
        service.push(session, "sort", content)
    found = page("runs", do="plan", prompt="sort@1")
    assert found.selectbox(key="plan_dataset").value == "tickets"
    assert not found.error
    found = page("runs", do="plan", prompt="news@2")
    assert found.selectbox(key="plan_dataset").value == example.GRID


def test_the_plan_stands_before_the_start_and_starting_twice_makes_one_run(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    found = page("runs", do="plan", prompt="news@2")
    assert not found.exception
    assert "24 calls for 24 cells" in words(found)
    assert found.multiselect(key="plan_prompts").value == ["news@1", "news@2"]
    found.multiselect(key="plan_models").set_value(["echo"]).run()
    with sqlite_db.read_scope() as session:
        assert [r for r in runs.list_runs(session) if not r.imported] == []
    found.button(key="plan_start").click().run()
    with sqlite_db.read_scope() as session:
        started = [r for r in runs.list_runs(session) if not r.imported]
    assert [(r.status, r.total, r.actor) for r in started] == [("queued", 24, "user:admin")]


@pytest.mark.parametrize("text", ["json_schema:/etc/passwd", "secrets.yaml", "../x.yml"])
def test_an_evaluator_names_no_file_of_the_server(workspace, sqlite_db, text):
    example.load(sqlite_db, "user:admin")
    found = page("runs", do="plan", prompt="news@2")
    found.multiselect(key="plan_evaluators").set_value([text]).run()
    assert not found.exception
    assert "is no evaluator here" in words(found)
    assert not [b for b in found.button if b.key == "plan_start"]


def test_a_budget_with_an_unpriced_model_is_refused(workspace, sqlite_db):
    from connectors.models import ModelSettings
    from connectors.service import add_model

    example.load(sqlite_db, "user:admin")
    with sqlite_db.session_scope("user:admin") as session:
        add_model(session, "dear", ModelSettings(base_url="https://x.example.com/v1", model="m"))
    found = page("runs", do="plan", prompt="news@2", model="dear")
    found.number_input(key="plan_budget").set_value(1.0).run()
    assert "A budget needs prices" in words(found)


@pytest.fixture
def queue(run, sqlite_db: Database) -> str:
    with sqlite_db.session_scope("user:admin") as session:
        return create_queue(session, run, PlanForm(pairs=4, seed=1)).id


@pytest.fixture
def slow_hand(monkeypatch):
    """AppTest presses within milliseconds; the guard has its own tests."""
    monkeypatch.setattr(labeling.queues, "too_fast", lambda *_: False)


def labels(database: Database) -> list[Label]:
    with database.read_scope() as session:
        return list(session.exec(select(Label).order_by(Label.id)))  # pyright: ignore


def test_the_station_shows_no_arm_and_no_cost(queue):
    found = page("label", queue=queue)
    assert not found.exception
    text = words(found) + " ".join(b.label for b in found.button)
    for secret in (*ARMS, "echo", "base@", "$"):
        assert secret not in text.replace("\\", "")
    assert found.title[0].value == "questions"


def test_good_bad_skip_reasons_and_undo(queue, sqlite_db, slow_hand):
    found = page("label", queue=queue)
    total = found.progress[0].text
    assert total.startswith("0 /")
    found.button(key="label_good").click().run()
    assert found.progress[0].text.startswith("1 /")
    found.button(key="label_reason_1").click().run()
    found.button(key="label_bad").click().run()
    found.button(key="label_skip").click().run()
    assert [(one.label, one.reasons) for one in labels(sqlite_db)] == [
        ("good", []), ("bad", ["incomplete"]), ("skip", []),
    ]  # fmt: skip
    found.button(key="label_undo").click().run()
    assert labels(sqlite_db)[-1].label is None
    assert found.progress[0].text.startswith("2 /")


def test_reasons_are_read_in_the_language_and_stored_as_they_are(queue, sqlite_db, slow_hand):
    speak(sqlite_db, "zh")
    found = page("label", queue=queue)
    assert found.button(key="label_reason_2").label == "跑题"
    found.button(key="label_reason_2").click().run()
    found.button(key="label_bad").click().run()
    assert labels(sqlite_db)[0].reasons == ["off topic"]


def test_a_correction_is_bad_and_brings_the_next(queue, sqlite_db, slow_hand):
    found = page("label", queue=queue)
    found.text_area(key="label_correction_1").set_value("Better so").run()
    found.button(key="label_save_correction").click().run()
    saved = labels(sqlite_db)[0]
    assert (saved.label, saved.correction) == ("bad", "Better so")
    assert found.text_area(key="label_correction_2").value == ""


def test_a_press_at_once_is_dropped(queue, sqlite_db):
    found = page("label", queue=queue)
    found.button(key="label_good").click().run()
    assert labels(sqlite_db) == []
    assert "Too fast" in found.toast[0].value


def test_the_end_leads_to_the_verdict(queue, sqlite_db, slow_hand):
    found = page("label", queue=queue)
    for _ in range(40):
        if not [b for b in found.button if b.key == "label_good"]:
            break
        found.button(key="label_good").click().run()
    assert "done" in words(found)
    assert [link for link in found.page_link if "verdict" in link.value]


def test_each_word_of_a_verdict_names_its_two_arms(run, sqlite_db):
    label_some(sqlite_db, run, 4)
    found = page("runs", id=run, tab="verdict")
    said = words(found).replace("\\", "")
    for candidate in ARMS[1:]:
        assert f"{candidate} against {ARMS[0]}" in said


def test_open_queues_are_listed(queue):
    found = page("label")
    assert not found.exception
    assert "questions" in [link.value for link in found.page_link]
    assert page("home").subheader[1].value == "Needs you"


def test_labels_come_in_as_a_file(run, sqlite_db):
    import json

    found = page("runs", id=run, do="labels")
    lines = [
        {"cell": 0, "label": "good", "annotator": "ann"},
        {"cell": 1, "label": "bad", "annotator": "ann"},
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    found.file_uploader[0].upload("labels.jsonl", data).run()
    next(b for b in found.button if b.label == "Import labels").click().run()
    assert not found.error
    assert [(one.label, one.annotator) for one in labels(sqlite_db)] == [
        ("good", "ann"),
        ("bad", "ann"),
    ]


def test_a_bad_label_file_names_its_line_and_brings_nothing(run, sqlite_db):
    found = page("runs", id=run, do="labels")
    found.file_uploader[0].upload(
        "labels.jsonl", b'{"cell": 0, "label": "good"}\n{"cell": 1, "label": "great"}\n'
    ).run()
    next(b for b in found.button if b.label == "Import labels").click().run()
    assert "2" in found.error[0].value
    assert labels(sqlite_db) == []


def test_cost_per_good_stands_in_the_overview(workspace, sqlite_db):
    from decimal import Decimal

    with sqlite_db.session_scope("user:admin") as session:
        run_id = make_run(session, cases=10, arms=ARMS[:2], cost=Decimal("0.002"))
    label_two = [(row * 2 + arm, row % 2 == 0) for row in range(10) for arm in range(2)]
    with sqlite_db.session_scope("user:ann") as session:
        for cell, good in label_two:
            item = item_of(session, run_id, cell)
            save_label(session, item, checked("good" if good else "bad"), Press("import"))
    found = page("runs", id=run_id)
    assert not found.exception
    rows = found.dataframe[0].value
    assert list(rows["per_good"]) == ["$0.0040", "$0.0040"]
    assert list(rows["cost"]) == ["$0.02", "$0.02"]


def test_a_column_of_another_name_is_bound_in_the_plan(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    with sqlite_db.session_scope("user:admin") as session:
        content = PromptContent(
            messages=(MessageTemplate(role="user", content="{{ asked_about }}"),), model="echo"
        )
        service.push(session, "other", content)
    found = page("runs", do="plan", prompt="other@1", dataset="news-grid", model="echo")
    assert "Bind a column to it as asked" in words(found).replace("\\", "")
    with sqlite_db.read_scope() as session:
        column = datasets.get(session, "news-grid").columns[0]
    found.multiselect(key="plan_mapping").set_value([f"asked_about={column}"]).run()
    found.button(key="plan_start").click().run()
    with sqlite_db.read_scope() as session:
        run = session.exec(select(Run).where(col(Run.imported).is_(False))).one()
    assert run.manifest["arms"][0]["mapping"] == {"asked_about": column}


ARM = "news@2 | echo | temperature=0.2"


def test_proposed_arms_stand_in_place_of_prompts_and_models(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    proposed = json.dumps([ARM, "news@1 | demo"])
    found = page("runs", do="plan", arms=proposed, dataset="news-grid")
    assert not found.exception
    assert not {"plan_prompts", "plan_models"} & {one.key for one in found.multiselect}
    assert found.multiselect(key="plan_arms").value == [ARM, "news@1 | demo"]
    assert "for 24 cells" in words(found)
    found.multiselect(key="plan_arms").set_value([]).run()
    assert "at least one arm" in words(found)
    for text, part in (
        ("news@2", "is no arm. Write PROMPT"), ("news@9 | echo", "has no version 9"),
        ("news@2 | nobody", "nobody"), ("news | echo | temperature=0.2", "given twice"),
    ):  # fmt: skip
        found.multiselect(key="plan_arms").set_value([ARM, text]).run()
        assert part in words(found).replace("\\", ""), words(found)
        assert not [b for b in found.button if b.key == "plan_start"]
    found.multiselect(key="plan_arms").set_value([ARM, "news@1 | echo"]).run()
    found.button(key="plan_start").click().run()
    with sqlite_db.read_scope() as session:
        run = session.exec(select(Run).where(col(Run.imported).is_(False))).one()
    assert [arm["name"] for arm in run.manifest["arms"]] == [ARM, "news@1 | echo"]


def test_from_arms_one_goes_back_to_every_prompt_on_every_model(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    proposed = json.dumps([ARM, "news@1 | demo", "nonsense"])
    found = page("runs", do="plan", arms=proposed, dataset="news-grid")
    found.button(key="plan_product").click().run()
    assert not found.exception
    assert "plan_arms" not in {one.key for one in found.multiselect}
    assert found.multiselect(key="plan_prompts").value == ["news@2", "news@1"]
    assert sorted(found.multiselect(key="plan_models").value) == ["demo", "echo"]
    assert "for 48 cells" in words(found)


def test_the_arms_of_a_run_are_run_again_as_they_were(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    request = runs.RunRequest(
        prompts=("news@1", "news@2"), models=("echo",), params=(("temperature", 0.2),),
        dataset="news-grid", repeats=2, limit=3, mapping=("style=audience",),
        evaluators=(
            "contains:news",
            {"kind": "judge", "rubric": "Short?", "name": "short", "model": "echo"},
            {"kind": "pairwise", "rubric": "Which is shorter?", "name": "pair", "model": "echo"},
        ),
        budget=Decimal(3), judge_budget=Decimal(1),
    )  # fmt: skip
    run_id = runs.start(sqlite_db, "user:admin", request).run_id
    with sqlite_db.read_scope() as session:
        run = runs.get_run(session, run_id)
        assert "runs.again" in runs_drawers.more(run)
        address = plan_address.of_run(session, run)
    assert address == {
        "arms": json.dumps([f"news@{n} | echo | temperature=0.2" for n in (1, 2)]),
        "dataset": "news-grid", "split": None, "limit": "3", "repeats": "2",
        "mapping": json.dumps(["style=audience"]), "like": run_id,
    }  # fmt: skip
    found = page("runs", do="plan", **{k: v for k, v in address.items() if v is not None})
    assert "for 12 cells" in words(found)
    assert found.number_input(key="plan_limit").value == 3
    assert found.multiselect(key="plan_evaluators").value == ["contains", "short", "pair"]
    assert found.number_input(key="plan_budget").value == 3
    assert found.number_input(key="plan_judge_budget").value == 1
    found.button(key="plan_start").click().run()
    assert not found.exception
    with sqlite_db.read_scope() as session:
        first, second = (
            Manifest.model_validate(one.manifest).evaluators
            for one in session.exec(select(Run).order_by(col(Run.created_at)))
            if one.budget == 3
        )
    assert first == second


def test_a_program_of_an_earlier_run_is_not_started_from_a_page(workspace, sqlite_db):
    example.load(sqlite_db, "user:admin")
    request = runs.RunRequest(
        prompts=("news@1",), models=("echo",), dataset="news-grid", evaluators=("contains:news",)
    )
    run_id = runs.start(sqlite_db, "user:admin", request).run_id
    program = {"name": "mine", "spec": {"kind": "python", "name": "mine", "file": "mine.py"}}
    with sqlite_db.session_scope("test") as session:
        run = runs.get_run(session, run_id)
        run.manifest = {**run.manifest, "evaluators": [program, *run.manifest["evaluators"]]}
        session.add(run)
    found = page("runs", do="plan", like=run_id, arms=json.dumps(["news@1 | echo"]))
    assert found.multiselect(key="plan_evaluators").value == ["contains"]
    assert "left out: mine" in words(found)
    gone = page("runs", do="plan", like="nothing", arms=json.dumps(["news@1 | echo"]))
    assert not gone.exception
    assert gone.multiselect(key="plan_evaluators").value == []
