"""The verdict of a run: words by the state of its plan, looks, scores, preferences, speed."""

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import select

from core.clock import utcnow
from core.database import Database
from core.errors import Conflict, Invalid, NotFound
from evalsets.labels.importing import import_labels
from evalsets.labels.lines import lines_of
from evalsets.labels.queue_plan import PlanForm, create_queue
from evalsets.labels.queues import next_item, pick_label, save_item
from evalsets.labels.service import Press, checked, item_of, save_label, take_back
from evalsets.models import Cell, Label, Queue, VerdictLook
from evalsets.statistics.words import Word
from evalsets.verdicts.as_json import verdict_json
from evalsets.verdicts.labeled_arms import share_of_labels
from evalsets.verdicts.service import RunVerdict, extend_on_too_few, record_look, verdict
from tests.support.runs_factory import make_run, score_run

ARMS = ("base@1 | echo", "base@2 | echo")
WORDS = {"g": "good", "b": "bad", "s": "skip"}


def run_of(db: Database, **more: object) -> str:
    with db.session_scope("cli:tester") as session:
        return make_run(session, **more)  # type: ignore[arg-type]


def label_arms(db: Database, run: str, *arms: str, annotator: str = "ann") -> None:
    """One letter a case and arm, as in the vectors: g good, b bad, s skip, anything else none."""
    lines = "\n".join(
        json.dumps({"cell": row * len(arms) + arm, "label": WORDS[letter], "annotator": annotator})
        for arm, letters in enumerate(arms)
        for row, letter in enumerate(letters)
        if letter in WORDS
    )
    with db.session_scope("cli:tester") as session:
        import_labels(session, run, lines_of(lines))


def read(db: Database, run: str, *, looking: bool = False, **more: Any) -> RunVerdict:
    with db.read_scope() as session:
        found = verdict(session, run, **more)
    if looking:
        with db.session_scope("user:ann") as session:
            record_look(session, found)
    return found


def document(found: RunVerdict) -> dict[str, Any]:
    return json.loads(json.dumps(verdict_json(found), allow_nan=False))


# ---- figures ---------------------------------------------------------------------------------


def test_the_first_vector_through_the_database(db: Database) -> None:
    run = run_of(db, cases=40)
    label_arms(db, run, "g" * 20 + "b" * 20, "g" * 20 + "b" * 8 + "g" * 12)
    found = document(read(db, run))
    assert found["run"] == run
    assert found["by"] == "label"
    assert found["arms"][0] == {
        "arm": ARMS[0],
        "n": 40,
        "good": 20,
        "share": 0.5,
        "ci95": [pytest.approx(0.351994, abs=1e-5), pytest.approx(0.648006, abs=1e-5)],
        "rank": 2,
        "n_cases": 40,
        "skipped": 0,
        "disputed": 0,
        "unlabeled": 0,
        "failed": 0,
    }
    (one,) = found["comparisons"]
    assert (one["baseline"], one["candidate"]) == ARMS
    counts = ("n_pairs", "both", "only_candidate", "only_baseline", "neither", "n_cases")
    assert [one[name] for name in counts] == [40, 20, 12, 0, 8, 40]
    assert one["difference"] == pytest.approx(0.3)
    assert one["difference_ci95"] == pytest.approx([0.14324578, 0.43648265], abs=1e-5)
    assert one["p_value"] == pytest.approx(0.00048828, abs=1e-7)
    assert one["p_adjusted"] == one["p_value"]
    assert one["p_anytime"] == pytest.approx(0.00317383, abs=1e-7)
    assert (one["method"], one["verdict"]) == ("mcnemar_exact", "candidate better")
    assert one["labels_needed"] is None
    assert (one["alpha"], one["interim"], one["resolution"], one["looks"]) == (0.05, False, 0.1, 1)


def test_states_are_counted_and_kept_out_of_n(db: Database) -> None:
    letters = ("gbgbgbgbgs.xggbb", "ggggbggggbgbgg.b")
    run = run_of(db, cases=16, output=lambda r, a, n: None if letters[a][r] == "x" else f"{r} {a}")
    label_arms(db, run, *letters)
    (one,) = document(read(db, run))["comparisons"]
    assert (one["n_pairs"], one["labels_needed"]) == (12, 176)  # the vector verdict-2
    assert (one["skipped"], one["unlabeled"], one["failed"], one["disputed"]) == (1, 2, 1, 0)
    assert one["verdict_failed_as_bad"] == "too few labels"


def test_a_run_without_labels_has_no_figures_and_says_how_many_decide(db: Database) -> None:
    found = document(read(db, run_of(db)))
    (one,) = found["comparisons"]
    assert [arm["share"] for arm in found["arms"]] == [None, None]
    assert [arm["rank"] for arm in found["arms"]] == [None, None]
    assert (one["difference"], one["difference_ci95"], one["p_value"]) == (None, None, None)
    assert (one["verdict"], one["labels_needed"]) == ("too few labels", 390)


def test_a_failure_counted_as_bad_can_change_the_word(db: Database) -> None:
    run = run_of(db, cases=20, output=lambda r, a, n: None if a and r >= 8 else f"{r} {a}")
    label_arms(db, run, "b" * 8 + "g" * 12, "g" * 8 + "." * 12)
    (one,) = document(read(db, run))["comparisons"]
    assert one["verdict"] == "candidate better"
    assert one["verdict_failed_as_bad"] == "too few labels"


def test_the_family_is_corrected_by_holm_and_the_baseline_can_be_chosen(db: Database) -> None:
    arms = ("a@1 | x", "b@1 | x", "c@1 | x")
    run = run_of(db, cases=9, arms=arms)
    label_arms(db, run, "b" * 9, "g" * 6 + "b" * 3, "g" * 9)
    found = document(read(db, run))
    p = [one["p_value"] for one in found["comparisons"]]
    adjusted = [one["p_adjusted"] for one in found["comparisons"]]
    assert p == pytest.approx([0.03125, 0.00390625])
    assert adjusted == pytest.approx([0.03125, 0.0078125])
    other = document(read(db, run, baseline=arms[2]))
    assert [one["candidate"] for one in other["comparisons"]] == [arms[0], arms[1]]
    assert other["comparisons"][0]["verdict"] == "baseline better"
    with pytest.raises(Invalid, match="no arm"):
        read(db, run, baseline="d")


def test_rows_with_equal_inputs_are_repeats_of_one_case(db: Database) -> None:
    same = [{"q": number // 2} for number in range(12)]
    run = run_of(db, cases=same)
    label_arms(db, run, "b" * 12, "g" * 12)
    (one,) = document(read(db, run))["comparisons"]
    assert (one["method"], one["n_pairs"], one["n_cases"]) == ("sign_flip", 12, 6)
    assert one["p_value"] == pytest.approx(2 / 2**6)


def test_repeats_go_by_case(db: Database) -> None:
    run = run_of(db, cases=6, repeats=3)
    with db.session_scope("cli:tester") as session:
        lines = [
            {"arm": arm, "case_id": f"c{row}", "repeat": repeat, "label": word}
            for arm, word in zip(ARMS, ("bad", "good"), strict=True)
            for row in range(6)
            for repeat in (1, 2, 3)
        ]
        import_labels(session, run, lines_of("\n".join(map(json.dumps, lines))))
    (one,) = document(read(db, run))["comparisons"]
    assert (one["method"], one["n_pairs"], one["p_value"]) == ("sign_flip", 18, 2 / 2**6)
    assert one["p_anytime"] is None


def test_arms_of_different_cases_are_compared_unpaired(db: Database) -> None:
    run = run_of(db, cases=20, imported=True, only=lambda row, arm: row % 2 == arm)
    label_arms(db, run, "g." * 10, ".b" * 10)
    (one,) = document(read(db, run))["comparisons"]
    assert (one["method"], one["n_pairs"], one["both"]) == ("fisher_exact", 0, None)
    assert one["verdict"] == "baseline better"


def test_imported_arms_may_name_one_case_by_different_rows(db: Database) -> None:
    same = [{"q": number // 2} for number in range(20)]
    run = run_of(db, cases=same, imported=True, only=lambda row, arm: row % 2 == arm)
    label_arms(db, run, "g." * 10, ".b" * 10)
    (one,) = document(read(db, run))["comparisons"]
    assert (one["method"], one["n_pairs"]) == ("mcnemar_exact", 10)


def test_a_run_of_one_arm_has_a_share_and_nothing_to_compare(db: Database) -> None:
    run = run_of(db, cases=4, arms=("a@1 | x",))
    with db.session_scope("user:ann") as session:
        create_queue(session, run)
    label_arms(db, run, "ggbg")
    found = document(read(db, run, looking=True))
    assert found["comparisons"] == []
    assert (found["arms"][0]["share"], found["arms"][0]["rank"]) == (0.75, 1)


def test_the_shares_of_a_run_are_those_of_its_verdict(db: Database) -> None:
    run = run_of(db, cases=[{"q": number // 2} for number in range(8)], repeats=2)
    with db.session_scope("cli:tester") as session:
        lines = [
            json.dumps({"cell": cell, "label": ("good", "bad", "good", "skip")[cell * 7 % 4]})
            for cell in range(0, 32)
            if cell % 5
        ]
        import_labels(session, run, lines_of("\n".join(lines)))
    with db.read_scope() as session:
        shares = share_of_labels(session, run)
    for share, arm in zip(shares, read(db, run).arms, strict=True):
        assert (share.arm, share.good, share.good + share.bad) == (arm.arm, arm.good, arm.n)
        assert (share.share, share.ci95) == (arm.share, arm.ci95)
        assert arm.n > arm.n_cases == 4


def test_annotators_who_agree_little_are_named(db: Database) -> None:
    run = run_of(db, cases=10)
    label_arms(db, run, "gbgbgbgbgb", "gbgbgbgbgb", annotator="a")
    assert not read(db, run).annotators_agree_little
    label_arms(db, run, "ggbbggbbgg", "ggbbggbbgg", annotator="b")
    found = document(read(db, run))
    assert found["annotators"] == ["a", "b"]
    assert found["annotators_agree_little"] is True
    assert found["krippendorff_alpha"] < 0.667
    assert sum(arm["disputed"] for arm in found["arms"]) == 10


# ---- peeking ---------------------------------------------------------------------------------


def planned(db: Database, pairs: int = 20, cases: int = 60) -> tuple[str, Queue]:
    run = run_of(db, cases=cases)
    with db.session_scope("user:ann") as session:
        return run, create_queue(session, run, PlanForm(pairs=pairs, seed=1))


def work(
    db: Database, queue: Queue, say: Sequence[str] = ("bad", "good"), stop: int | None = None
) -> None:
    """Label a queue: `say` by arm, until the end or `stop` items."""
    with db.session_scope("user:ann") as session:
        done = 0
        while done != stop and (item := next_item(session, queue.id)):
            arm = "arm 1" in item.output
            save_item(session, queue.id, item.position, checked(say[arm]))
            done += 1


def figures(found: RunVerdict) -> tuple[float | None, bool, str | None]:
    one = found.comparisons[0]
    return one.alpha, one.interim, None if one.verdict is None else one.verdict.value


def test_an_open_plan_is_read_at_a_thousandth(db: Database) -> None:
    _, queue = planned(db, pairs=60)
    work(db, queue, stop=20)  # 10 pairs, all one way: p = 0.002
    found = read(db, queue.run_id, looking=True)
    assert figures(found) == (0.001, True, "too few labels")
    assert found.comparisons[0].labels_needed == 100  # what the plan still lacks
    work(db, queue, stop=2)  # 11 pairs: p = 0.00098
    assert figures(read(db, queue.run_id)) == (0.001, True, "candidate better")


def test_a_complete_plan_is_read_at_five_percent_once(db: Database) -> None:
    run, queue = planned(db, pairs=8)
    work(db, queue)
    found = read(db, run, looking=True)
    assert figures(found) == (0.05, False, "candidate better")
    assert figures(read(db, run, looking=True)) == (0.05, False, "candidate better")
    with db.read_scope() as session:
        stored = session.get(Queue, queue.id)
        assert stored is not None
        assert stored.state == "complete"
        assert stored.completed_at is not None
        assert json.loads(stored.word or "") == {ARMS[1]: "candidate better"}
    with db.session_scope("user:ann") as session:  # a label more, after the word
        outside = next(n for n in range(120) if n not in _labeled(db, run))
        pick_label(session, run, outside, checked("good"))
    later = read(db, run)
    assert figures(later) == (0.001, False, "too few labels")
    assert later.looks == 2


def _labeled(db: Database, run: str) -> set[int]:
    with db.read_scope() as session:
        return set(session.exec(select(Label.cell).where(Label.run_id == run)))


def test_labels_changed_before_the_word_was_read_cost_nothing(db: Database) -> None:
    run, queue = planned(db, pairs=8)
    work(db, queue)
    cell = min(_labeled(db, run))
    with db.session_scope("user:ann") as session:
        item = item_of(session, run, cell)
        take_back(session, item)
    assert figures(read(db, run))[:2] == (0.001, True)
    with db.session_scope("user:ann") as session:
        save_label(session, item, checked("skip"), Press("queue", queue.id))
    assert figures(read(db, run))[:2] == (0.05, False)


def test_an_extension_is_read_at_one_percent(db: Database) -> None:
    run, queue = planned(db, pairs=12, cases=400)
    work(db, queue, say=("good", "good"))
    assert figures(read(db, run)) == (0.05, False, "too few labels")
    with db.session_scope("user:ann") as session:
        further = extend_on_too_few(session, run)
    assert further.sequence == 1
    needed = read(db, run).comparisons[0].labels_needed
    assert needed is not None
    assert figures(read(db, run))[:2] == (0.001, True)
    with db.session_scope("user:ann") as session, pytest.raises(Conflict, match="still waits"):
        extend_on_too_few(session, run)
    work(db, further, say=("good", "good"))
    found = read(db, run, looking=True)
    assert figures(found)[:2] == (0.01, False)
    assert figures(found)[2] == "no difference shown"
    with db.session_scope("user:ann") as session, pytest.raises(Conflict, match="stands"):
        extend_on_too_few(session, run)


def test_an_extension_brings_what_the_verdict_needs(db: Database) -> None:
    run, queue = planned(db, pairs=12, cases=400)
    work(db, queue, say=("good", "good"))
    needed = read(db, run).comparisons[0].labels_needed
    with db.session_scope("user:ann") as session:
        further = extend_on_too_few(session, run)
    assert further.pairs * 2 == needed


def test_a_candidate_that_has_its_word_does_not_get_a_second_look(db: Database) -> None:
    run = run_of(db, cases=60, arms=("a@1 | x", "b@1 | x", "c@1 | x"))
    with db.session_scope("user:ann") as session:
        queue = create_queue(session, run, PlanForm(pairs=10, seed=1))
    cells = {"arm 0": "bad", "arm 1": "good", "arm 2": "bad"}
    with db.session_scope("user:ann") as session:
        while item := next_item(session, queue.id):
            word = next(word for arm, word in cells.items() if arm in item.output)
            save_item(session, queue.id, item.position, checked(word))
    first = read(db, run)
    assert [one.verdict for one in first.comparisons] == [Word.CANDIDATE, Word.TOO_FEW]
    with db.session_scope("user:ann") as session:
        further = extend_on_too_few(session, run)
        while item := next_item(session, further.id):
            save_item(session, further.id, item.position, checked("good"))
    later = read(db, run)
    assert [one.alpha for one in later.comparisons] == [0.001, 0.01]


def test_a_baseline_chosen_after_the_fact_is_no_part_of_the_plan(db: Database) -> None:
    arms = ("a@1 | x", "b@1 | x", "c@1 | x")
    run = run_of(db, cases=10, arms=arms)
    with db.session_scope("user:ann") as session:
        create_queue(session, run, PlanForm(resolution=0.2, baseline=1))
    label_arms(db, run, "b" * 10, "g" * 10, "b" * 10)
    planned_one = read(db, run)
    assert (planned_one.baseline, planned_one.resolution) == (arms[1], 0.2)
    assert {one.alpha for one in planned_one.comparisons} == {0.05}
    other = read(db, run, baseline=arms[0], looking=True)
    assert {one.alpha for one in other.comparisons} == {0.001}
    with db.read_scope() as session:
        assert session.exec(select(Queue.labels_hash)).one() is None  # its look is not spent


def test_imported_labels_have_one_look_and_further_ones_are_counted(db: Database) -> None:
    run = run_of(db, cases=20)
    label_arms(db, run, "b" * 10, "g" * 10)
    assert read(db, run, looking=True).looks == 1
    assert read(db, run, looking=True).looks == 1
    label_arms(db, run, "b" * 12, "g" * 12)
    assert read(db, run).looks == 2
    assert figures(read(db, run)) == (0.05, False, "candidate better")
    with db.read_scope() as session:
        (look,) = session.exec(select(VerdictLook)).all()
        assert (look.by, look.actor) == ("label", "user:ann")


def test_labels_picked_by_hand_are_told(db: Database) -> None:
    run = run_of(db, cases=20)
    label_arms(db, run, "g" * 10, "b" * 10)
    with db.session_scope("user:ann") as session:
        for cell in (20, 21):
            pick_label(session, run, cell, checked("good"))
    assert not read(db, run).picked_by_hand  # 2 of 22
    with db.session_scope("user:ann") as session:
        pick_label(session, run, 22, checked("good"))
    assert read(db, run).picked_by_hand  # 3 of 23
    assert document(read(db, run))["picked_by_hand"] is True


def test_there_is_nothing_to_extend_without_a_plan(db: Database) -> None:
    run = run_of(db)
    with db.session_scope("user:ann") as session, pytest.raises(Conflict, match="no plan"):
        extend_on_too_few(session, run)


def test_what_an_outsider_asks_wrongly_is_named(sqlite_db: Database) -> None:
    run = run_of(sqlite_db)
    with pytest.raises(NotFound, match="run list"):
        read(sqlite_db, "nothing")
    with pytest.raises(Invalid, match="label, preference"):
        read(sqlite_db, run, by="exact")
    with pytest.raises(Invalid, match="resolution"):
        read(sqlite_db, run, resolution=0.0)


# ---- scores and preferences --------------------------------------------------------------------


def test_scores_of_0_and_1_are_compared_like_labels(db: Database) -> None:
    run = run_of(db, cases=12, output=lambda r, a, n: None if (r, a) == (11, 0) else f"{r} {a}")
    with db.session_scope("cli:tester") as session:
        score_run(session, run, "exact", lambda cell: None if cell.number == 1 else float(cell.arm))
    found = document(read(db, run, by="exact"))
    (one,) = found["comparisons"]
    assert (found["by"], one["n_pairs"], one["method"]) == ("exact", 10, "mcnemar_exact")
    assert (one["unlabeled"], one["failed"]) == (1, 1)
    assert one["verdict"] == "candidate better"


def test_graded_scores_have_a_mean_and_a_word_from_twenty_cases_on(db: Database) -> None:
    run = run_of(db, cases=24)
    with db.session_scope("cli:tester") as session:
        score_run(session, run, "judge", lambda cell: 0.5 + 0.3 * cell.arm + cell.number % 5 / 50)
        score_run(session, run, "length", lambda cell: 100.0 + cell.number)
    found = document(read(db, run, by="judge"))
    (one,) = found["comparisons"]
    assert found["arms"][0]["good"] is None
    assert found["arms"][0]["share"] == pytest.approx(0.54, abs=0.01)
    assert (one["method"], one["verdict"], one["both"]) == ("sign_flip", "candidate better", None)
    (length,) = document(read(db, run, by="length"))["comparisons"]
    assert length["verdict"] is None
    assert length["difference"] == 1.0


def prefer(db: Database, run: str, lines: Sequence[dict[str, object]]) -> None:
    with db.session_scope("cli:tester") as session:
        import_labels(session, run, lines_of("\n".join(map(json.dumps, lines))))


def test_preferences_are_turned_voted_and_ranked(db: Database) -> None:
    arms = ("a@1 | x", "b@1 | x", "c@1 | x")
    run = run_of(db, cases=45, arms=arms)
    said = ["a"] * 24 + ["tie"] * 10 + ["b"] * 11
    prefer(
        db,
        run,
        [
            {
                "arm_a": arms[1] if row % 2 else arms[0],
                "arm_b": arms[0] if row % 2 else arms[1],
                "case_id": f"c{row}",
                "annotator": "x",
                "preference": {"a": "b", "b": "a"}.get(word, word) if row % 2 == 0 else word,
            }
            for row, word in enumerate(said)
        ],
    )
    found = document(read(db, run, by="preference"))
    one, none = found["comparisons"]
    assert (one["win"], one["tie"], one["loss"], one["n_pairs"]) == (24, 10, 11, 45)
    assert one["win_share"] == pytest.approx(0.64444444)
    assert one["win_share_ci95"] == pytest.approx([0.51729538, 0.75181735], abs=1e-5)
    assert one["difference_ci95"] == pytest.approx([0.03459076, 0.50363469], abs=1e-5)
    assert one["p_value"] == pytest.approx(0.04095959, abs=1e-6)
    assert one["p_adjusted"] == one["p_value"]  # the other has no pair and is no family
    assert (none["n_pairs"], none["verdict"]) == (0, "too few labels")
    assert found["unconnected"] == [[arms[0], arms[1]], [arms[2]]]
    assert [arm["rank"] for arm in found["arms"]] == [None, None, None]


def test_the_ranking_of_connected_arms_has_intervals(db: Database) -> None:
    arms = ("a@1 | x", "b@1 | x")
    run = run_of(db, cases=5, arms=arms)
    line = {"arm_a": arms[0], "arm_b": arms[1], "preference": "a"}
    prefer(db, run, [{**line, "case_id": f"c{row}", "annotator": "x"} for row in range(5)])
    found = document(read(db, run, by="preference"))
    a, b = found["arms"]
    assert a["log_strength"] == pytest.approx(2.33256021, abs=1e-4)  # the vector bt-3
    assert b["share"] == pytest.approx(0.00933024, abs=1e-4)
    assert (a["rank"], b["rank"], a["n"], b["rank_ci95"]) == (1, 2, 5, [2, 2])
    majority = [{**line, "case_id": "c0", "annotator": n, "preference": "b"} for n in ("y", "z")]
    prefer(db, run, majority)
    (one,) = document(read(db, run, by="preference"))["comparisons"]
    assert (one["win"], one["loss"]) == (1, 4)


def test_without_preferences_nothing_is_claimed(db: Database) -> None:
    found = document(read(db, run_of(db), by="preference"))
    assert found["comparisons"][0]["verdict"] == "too few labels"
    assert [arm["share"] for arm in found["arms"]] == [None, None]


# ---- speed -------------------------------------------------------------------------------------


def test_twenty_thousand_cells_take_less_than_a_second(sqlite_db: Database) -> None:
    run = run_of(sqlite_db, cases=10_000)
    with sqlite_db.session_scope("cli:tester") as session:
        cells = session.execute(select(Cell.number, Cell.item_key).where(Cell.run_id == run)).all()
        session.execute(insert(Label), [_label(run, number, key) for number, key in cells])
    read(sqlite_db, run)  # imports
    before = time.process_time()
    found = read(sqlite_db, run)
    assert time.process_time() - before < 4  # 0.5 s alone; the cores are shared
    assert found.comparisons[0].n_pairs == 10_000


def _label(run: str, number: int, key: str | None) -> dict[str, object]:
    return {
        "item_key": key,
        "annotator": "ann",
        "label": "good" if number % 7 else "bad",
        "reasons": [],
        "source": "import",
        "adjudicated": False,
        "run_id": run,
        "cell": number,
        "actor": "cli:tester",
        "at": utcnow(),
    }
