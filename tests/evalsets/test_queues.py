"""A plan stands before its first label; its items come blind, once, to one person at a time."""

import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from core.database import Database
from core.errors import Conflict, Invalid
from evalsets.labels.plan_preview import preview_plan, shares_hidden, to_label
from evalsets.labels.queue_plan import (
    DEFAULT_PAIRS,
    PlanForm,
    create_queue,
    extend_queue,
    queue_for_run,
    queues_of_run,
)
from evalsets.labels.queues import (
    SHORTEST_LOOK,
    ItemToLabel,
    is_open,
    next_item,
    pick_label,
    progress,
    save_item,
    show_item,
    too_fast,
    undo,
)
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.labels.state import label_state
from evalsets.models import Cell, Label, Queue, QueueItem
from tests.support.runs_factory import make_run

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run_of(db: Database, **more: object) -> str:
    with db.session_scope("cli:tester") as session:
        return make_run(session, **more)  # type: ignore[arg-type]


def queue_of(db: Database, run: str, **form: object) -> Queue:
    with db.session_scope("user:ann") as session:
        return create_queue(session, run, PlanForm(**form))  # type: ignore[arg-type]


def items(db: Database, queue: Queue) -> list[tuple[Cell, QueueItem]]:
    """The cells of a queue in handing-out order."""
    query = (
        select(Cell, QueueItem)
        .where(QueueItem.queue_id == queue.id)
        .where(Cell.run_id == queue.run_id, Cell.number == QueueItem.cell)
        .order_by(col(QueueItem.position))
    )
    with db.read_scope() as session:
        return [(cell, item) for cell, item in session.execute(query)]


def take(db: Database, queue: Queue, actor: str = "user:ann") -> ItemToLabel | None:
    with db.session_scope(actor) as session:
        return next_item(session, queue.id)


def label(db: Database, queue: Queue, position: int, word: str, actor: str = "user:ann") -> None:
    with db.session_scope(actor) as session:
        save_item(session, queue.id, position, checked(word))


def label_all(db: Database, queue: Queue, word: str = "good") -> int:
    """Press one key until the queue ends; returns how often."""
    presses = 0
    with db.session_scope("user:ann") as session:
        while item := next_item(session, queue.id):
            save_item(session, queue.id, item.position, checked(word))
            presses += 1
    return presses


@pytest.mark.parametrize(
    ("shown", "pressed", "dropped"),
    [
        (249, None, True),
        (250, None, False),
        (5000, 249, True),
        (5000, 250, False),
        (10, 5000, True),
    ],
)
def test_a_press_too_soon_after_the_item_or_the_last_press_is_dropped(
    shown: int, pressed: int | None, dropped: bool
) -> None:
    last = None if pressed is None else NOW - timedelta(milliseconds=pressed)
    assert too_fast(NOW, NOW - timedelta(milliseconds=shown), last) is dropped


def test_a_held_key_labels_one(db: Database) -> None:
    queue = queue_of(db, run_of(db))
    saved, shown, last = 0, NOW, None
    with db.session_scope("user:ann") as session:
        for tick in range(30):  # a key repeats every 33 ms; the next item is painted at once
            at = NOW + timedelta(milliseconds=300 + 33 * tick)
            if not too_fast(at, shown, last):
                item = next_item(session, queue.id)
                assert item is not None
                save_item(session, queue.id, item.position, checked("good"))
                saved, shown = saved + 1, at
            last = at
    assert saved == 1
    assert timedelta(milliseconds=250) == SHORTEST_LOOK


def test_a_default_plan_takes_all_pairs_up_to_a_hundred(db: Database) -> None:
    few, many = run_of(db, cases=7), run_of(db, cases=120)
    with db.session_scope("user:ann") as session:
        small, large = queue_for_run(session, few), queue_for_run(session, many)
        assert (small.pairs, large.pairs) == (7, DEFAULT_PAIRS)
        assert progress(session, small.id) == (0, 14)
        assert progress(session, large.id) == (0, 200)
        assert queue_for_run(session, few).id == small.id


def test_whole_pairs_are_handed_out_in_the_order_of_the_seed(db: Database) -> None:
    run = run_of(db, cases=30, repeats=2, arms=("a@1 | x", "b@1 | x", "c@1 | x"))
    queue = queue_of(db, run, seed=5, pairs=20)
    cells = [cell for cell, _ in items(db, queue)]
    assert len(cells) == 60
    groups = [cells[start : start + 3] for start in range(0, 60, 3)]
    assert all(len({(cell.case_ref, cell.repeat) for cell in group}) == 1 for group in groups)
    assert all({cell.arm for cell in group} == {0, 1, 2} for group in groups)
    assert len({tuple(cell.arm for cell in group) for group in groups}) > 2  # arms shuffled
    assert [group[0].case_ref for group in groups] != sorted(group[0].case_ref for group in groups)
    again, other = queue_of(db, run, seed=5, pairs=20), queue_of(db, run, seed=6, pairs=20)
    assert (again.seed, other.seed) == (5, 6)
    assert [cell.number for cell, _ in items(db, other)] != [cell.number for cell in cells]


def test_the_same_seed_gives_the_same_queue(db: Database) -> None:
    run = run_of(db)
    first = [item.cell for _, item in items(db, queue_of(db, run, seed=3))]
    assert [item.cell for _, item in items(db, queue_of(db, run, seed=3))] == first


def test_every_first_arm_is_equally_likely(db: Database) -> None:
    queue = queue_of(db, run_of(db, cases=400), seed=1, pairs=400)
    first = [cell.arm for cell, _ in items(db, queue)][::2]
    assert 150 < sum(first) < 250  # 5 standard deviations


def test_failed_cells_are_not_queued_and_their_pairs_come_last(db: Database) -> None:
    run = run_of(
        db,
        cases=20,
        output=lambda row, arm, repeat: None if row < 8 and arm else f"{row} {arm}",
    )
    queue = queue_of(db, run, pairs=12)
    assert len(items(db, queue)) == 24
    assert {cell.state for cell, _ in items(db, queue)} == {"succeeded"}
    assert len(items(db, queue_of(db, run))) == 24 + 8


def test_equal_outputs_are_one_item(db: Database) -> None:
    run = run_of(
        db, cases=5, output=lambda row, arm, repeat: f"same {row}" if row < 3 else f"{arm}"
    )
    queue = queue_of(db, run)
    assert len(items(db, queue)) == 3 + 4
    assert label_all(db, queue) == 7
    with db.read_scope() as session:
        state = label_state(session, run)
        cells = session.exec(select(Cell).where(Cell.run_id == run)).all()
        assert all(state.state(cell.item_key) == "good" for cell in cells)


def test_only_new_text_of_a_later_run_is_handed_out(db: Database) -> None:
    first = run_of(db, cases=6)
    label_all(db, queue_of(db, first))
    later = run_of(
        db,
        cases=6,
        output=lambda row, arm, n: f"answer {row} of arm {arm}, {n}" if row else f"{arm}",
    )
    queue = queue_of(db, later)
    with db.read_scope() as session:
        assert progress(session, queue.id) == (10, 12)
    assert label_all(db, queue) == 2
    with db.read_scope() as session:
        assert not is_open(session, [queue.id])
        stored = session.get(Queue, queue.id)
        assert stored is not None
        assert stored.state == "complete"


def test_what_the_page_gets_tells_no_arm_model_cost_or_latency(db: Database) -> None:
    run = run_of(db, arms=("canary-prompt@1 | canary-model", "b@2 | canary-model"), cases=1)
    queue = queue_of(db, run)
    item = take(db, queue)
    assert item is not None
    assert {field.name for field in fields(item)} == {
        "queue_id",
        "position",
        "inputs",
        "expected",
        "output",
        "tool_calls",
    }
    assert "canary" not in repr(item)
    assert "canary" not in queue.name
    assert item.expected is None
    assert item.inputs == {"question": "number 0"}


def test_the_expected_output_is_shown_when_the_queue_says_so(db: Database) -> None:
    queue = queue_of(db, run_of(db, cases=1), show_expected=True)
    item = take(db, queue)
    assert item is not None
    assert item.expected == "expected 0"
    with db.read_scope() as session:
        assert show_item(session, queue.id, item.position) == item


def test_nobody_gets_an_item_that_another_holds_until_the_lease_ends(db: Database) -> None:
    queue = queue_of(db, run_of(db, cases=2))
    mine = [take(db, queue, f"user:{name}") for name in "abcd"]
    assert sorted(item.position for item in mine if item) == [0, 1, 2, 3]
    assert take(db, queue, "user:e") is None
    again = take(db, queue, "user:b")
    assert again is not None
    assert again.position == 1
    with db.session_scope("system") as session:
        ended = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(QueueItem).where(QueueItem.position == 2).values(held_until=ended))
    taken = take(db, queue, "user:e")
    assert taken is not None
    assert taken.position == 2
    with db.read_scope() as session:
        stored = session.get(Queue, queue.id)
        assert stored is not None
        assert stored.state == "open"  # held is not done


def test_a_labeled_item_is_handed_to_nobody_again(db: Database) -> None:
    queue = queue_of(db, run_of(db, cases=3))
    first = take(db, queue, "user:a")
    assert first is not None
    label(db, queue, first.position, "skip", "user:a")
    seen = [take(db, queue, f"user:{name}") for name in "abcde"]
    assert first.position not in {item.position for item in seen if item}


def test_undo_goes_back_one_by_one(db: Database) -> None:
    queue = queue_of(db, run_of(db, cases=3))
    for position, word in enumerate(["good", "bad", "skip"]):
        label(db, queue, position, word)
    with db.session_scope("user:other") as session:
        assert undo(session, queue.id) is None  # not their labels
    for back in (2, 1, 0):
        with db.session_scope("user:ann") as session:
            assert undo(session, queue.id) == back
        item = take(db, queue)
        assert item is not None
        assert item.position == back
    with db.session_scope("user:ann") as session:
        assert undo(session, queue.id) is None
        assert progress(session, queue.id) == (0, 6)
        assert len(session.exec(select(Label)).all()) == 6  # three presses, three taken back


def test_an_undone_item_stays_done_while_another_annotator_stands_by_it(db: Database) -> None:
    queue = queue_of(db, run_of(db, cases=1))
    label(db, queue, 0, "good", "user:a")
    label(db, queue, 0, "good", "user:b")
    with db.session_scope("user:b") as session:
        assert undo(session, queue.id) == 0
        assert progress(session, queue.id) == (1, 2)


def test_a_picked_label_is_marked_and_the_plan_stands_before_it(db: Database) -> None:
    run = run_of(db, cases=12)
    with db.session_scope("user:ann") as session:
        pick_label(session, run, 3, checked("good"))
        (queue,) = queues_of_run(session, run)
        assert progress(session, queue.id) == (1, 24)
        assert label_state(session, run).picked == 1
        first = session.exec(select(Label)).one()
        assert queue.created_at <= first.at
        assert (first.source, first.queue_id) == ("picked", None)


def test_labels_of_a_running_run_are_kept_and_its_plan_waits(db: Database) -> None:
    run = run_of(db, status="running")
    with db.session_scope("user:ann") as session:
        pick_label(session, run, 3, checked("good"))
        assert queues_of_run(session, run) == []
        with pytest.raises(Conflict, match="Pause"):
            queue_for_run(session, run)


@pytest.mark.parametrize(
    "form", [{"pairs": 0}, {"resolution": 0}, {"resolution": 1}, {"baseline": 2}]
)
def test_a_plan_that_makes_no_sense_is_refused(
    sqlite_db: Database, form: dict[str, object]
) -> None:
    run = run_of(sqlite_db)
    with pytest.raises(Invalid):
        queue_of(sqlite_db, run, **form)


def test_a_plan_without_labels_is_replaced_and_one_with_labels_stays(db: Database) -> None:
    run = run_of(db)
    queue_of(db, run)
    queue = queue_of(db, run, pairs=4)
    with db.read_scope() as session:
        assert [one.id for one in queues_of_run(session, run)] == [queue.id]
    label(db, queue, 0, "good")
    with pytest.raises(Conflict, match="extended"):
        queue_of(db, run)


def test_a_run_without_an_output_has_no_queue(sqlite_db: Database) -> None:
    run = run_of(sqlite_db, output=lambda row, arm, repeat: None)
    with pytest.raises(Conflict, match="Retry"):
        queue_of(sqlite_db, run)


def test_an_extension_brings_the_next_pairs_three_times_at_most(db: Database) -> None:
    run = run_of(db, cases=40)
    planned = [queue_of(db, run, pairs=10, seed=2)]
    for labels in (8, 9, 10):
        with db.session_scope("user:ann") as session:
            planned.append(extend_queue(session, run, labels))
    assert [queue.sequence for queue in planned] == [0, 1, 2, 3]
    assert [len(items(db, queue)) for queue in planned] == [20, 8, 10, 10]
    drawn = [cell.number for queue in planned for cell, _ in items(db, queue)]
    assert len(set(drawn)) == len(drawn) == 48
    with db.session_scope("user:ann") as session:
        assert queue_for_run(session, run).sequence == 3
        with pytest.raises(Conflict, match="three times"):
            extend_queue(session, run, 10)


def test_an_extension_of_everything_says_add_cases(db: Database) -> None:
    run = run_of(db, cases=4)
    queue_of(db, run)
    with db.session_scope("user:ann") as session, pytest.raises(Conflict, match="Add cases"):
        extend_queue(session, run, 100)


def test_labels_given_elsewhere_finish_items_of_every_queue(db: Database) -> None:
    run = run_of(db, cases=2)
    queue = queue_of(db, run)
    with db.session_scope("cli:tester") as session:
        for cell in range(4):
            save_label(session, item_of(session, run, cell), checked("bad"), Press("import"), "x")
    assert take(db, queue) is None


@pytest.fixture
def large(db: Database) -> tuple[Database, Queue]:
    run = run_of(db, cases=2000)
    queue = queue_of(db, run, pairs=2000)
    with db.session_scope("system") as session:
        _do_but_last(session, queue, 60)
    return db, queue


def _do_but_last(session: Session, queue: Queue, left: int) -> None:
    before = col(QueueItem.position) < 4000 - left
    session.execute(
        update(QueueItem).where(before, QueueItem.queue_id == queue.id).values(done=True)
    )


def test_the_next_item_of_a_long_queue_is_there_at_once(large: tuple[Database, Queue]) -> None:
    db, queue = large
    presses = [time.perf_counter()]
    item = take(db, queue)
    for _ in range(30):
        assert item is not None
        with db.session_scope("user:ann") as session:
            save_item(session, queue.id, item.position, checked("good"))
            item = next_item(session, queue.id)
            progress(session, queue.id)
        presses.append(time.perf_counter())
    taken = sorted(after - before for before, after in pairwise(presses))
    assert taken[len(taken) // 2] < 0.5  # a scan of the queue would take seconds


def test_a_plan_is_previewed_before_it_is_made(db: Database) -> None:
    run = run_of(db, cases=120)
    with db.session_scope("user:ann") as session:
        found = preview_plan(session, run)
        assert found[:3] == (100, 120, 200)
        assert found.shows == pytest.approx(0.17718781)  # the vector plan-1
        assert preview_plan(session, run, 40).shows == pytest.approx(0.28, abs=0.005)
        assert to_label(session, run) == (None, 200)
        assert not shares_hidden(session, run)
        pick_label(session, run, 7, checked("good"))
        queue = queue_for_run(session, run)
        assert to_label(session, run) == (queue.id, 200 - progress(session, queue.id).done)
        assert shares_hidden(session, run)
        assert preview_plan(session, run, 120).labels == 239


def test_a_run_without_an_output_previews_nothing(sqlite_db: Database) -> None:
    run = run_of(sqlite_db, output=lambda row, arm, repeat: None)
    with sqlite_db.read_scope() as session:
        assert preview_plan(session, run) == (0, 0, 0, None)
