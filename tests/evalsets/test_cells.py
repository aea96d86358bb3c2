import pytest

from evalsets.statistics.cells import (
    CellCounts,
    CellKey,
    Cells,
    CellValue,
    State,
    all_binary,
    all_on_unit_scale,
    count_cells,
    count_half_labeled,
    failed_as_bad,
    pairs_by_case,
    share_no_case,
    values_by_case,
)
from evalsets.statistics.votes import Vote, cell_label


def arm(*cells: tuple[str, int, CellValue]) -> Cells:
    return {CellKey(case, repeat): value for case, repeat, value in cells}


EVERY = arm(*((f"case-{i}", 1, state) for i, state in enumerate(State)))


def test_every_state_is_counted_once() -> None:
    assert count_cells(EVERY) == CellCounts(2, 1, 1, 1, 1, 1, 1)
    assert count_cells(arm(("a", 1, 0.5), ("b", 1, 1.0), ("c", 1, State.FAILED))) == CellCounts(
        scored=2, good=1, failed=1
    )


def test_values_come_in_the_order_of_cases_whatever_the_order_of_cells() -> None:
    cells = arm(
        ("b", 1, State.BAD), ("a", 1, State.GOOD), ("b", 2, State.GOOD), ("c", 1, State.SKIP)
    )
    again = dict(reversed(list(cells.items())))
    assert values_by_case(cells) == [[1], [0, 1]]
    assert [sorted(case) for case in values_by_case(again)] == [[1], [0, 1]]


def test_only_whole_pairs_enter() -> None:
    good = arm(*((key.case, 1, State.GOOD) for key in EVERY))
    assert pairs_by_case(good, EVERY) == [[(1, 1)], [(1, 0)]]
    assert pairs_by_case(EVERY, good) == [[(1, 1)], [(0, 1)]]
    # beside a failed, skipped or disputed cell nothing waits for a label
    assert count_half_labeled(good, EVERY) == count_half_labeled(EVERY, good) == 1
    assert count_half_labeled(EVERY, EVERY) == 0


def test_a_pair_shares_case_and_repeat() -> None:
    ours = arm(("a", 1, State.GOOD), ("a", 2, State.BAD), ("b", 1, State.GOOD))
    theirs = arm(("a", 2, State.GOOD), ("a", 3, State.GOOD), ("c", 1, State.GOOD))
    assert pairs_by_case(ours, theirs) == [[(0, 1)]]
    assert not share_no_case(ours, theirs)
    assert share_no_case(ours, arm(("z", 1, State.GOOD)))
    assert not share_no_case(ours, {})


def test_failed_becomes_bad_and_nothing_else() -> None:
    turned = failed_as_bad(EVERY)
    assert [key for key in EVERY if turned[key] is not EVERY[key]] == [CellKey("case-5", 1)]
    assert turned[CellKey("case-5", 1)] is State.BAD


def test_scales() -> None:
    assert all_binary([EVERY, arm(("a", 1, 1.0), ("b", 1, 0.0))])
    assert not all_binary([arm(("a", 1, 0.5))])
    assert all_on_unit_scale([arm(("a", 1, 0.5)), EVERY])
    assert not all_on_unit_scale([arm(("a", 1, 120.0))])


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ([], State.UNLABELED),
        ([Vote("a", "good")], State.GOOD),
        ([Vote("a", "skip"), Vote("b", "skip")], State.SKIP),
        ([Vote("a", "skip"), Vote("b", "bad")], State.BAD),
        ([Vote("a", "good"), Vote("b", "bad")], State.DISPUTED),
        ([Vote("a", "good"), Vote("b", "bad"), Vote("c", "bad")], State.BAD),
        # only the newest label of an annotator counts
        ([Vote("a", "good"), Vote("b", "bad"), Vote("a", "bad")], State.BAD),
        ([Vote("a", "good"), Vote("a", None)], State.UNLABELED),
        ([Vote("a", "good"), Vote("b", "bad"), Vote("b", None)], State.GOOD),
        ([Vote("a", "good"), Vote("b", "good"), Vote("c", "bad", True)], State.BAD),
        ([Vote("c", "bad", True), Vote("a", "good"), Vote("d", "good", True)], State.GOOD),
        ([Vote("c", "bad", True), Vote("c", None, True), Vote("a", "good")], State.GOOD),
        # an adjudicator's own earlier vote does not replace the adjudication
        ([Vote("a", "good", True), Vote("a", "bad")], State.GOOD),
    ],
)
def test_one_label_a_cell(votes: list[Vote], label: State) -> None:
    assert cell_label(votes) is label
