import numpy as np
import pytest

from evalsets.statistics.cells import CellKey, Cells, CellValue, State
from evalsets.statistics.comparison import compare
from evalsets.statistics.pairing import Method, mcnemar
from evalsets.statistics.verdict import arm_share, decide, rank_arms, verdict
from evalsets.statistics.words import Plan, Word, look_of

LETTERS = {"g": State.GOOD, "b": State.BAD, "s": State.SKIP, ".": State.UNLABELED}
LETTERS |= {"x": State.FAILED, "d": State.DISPUTED}


def labels(letters: str, *, prefix: str = "", repeats: int = 1) -> Cells:
    return {
        CellKey(f"{prefix}{i // repeats:06}", i % repeats): LETTERS[letter]
        for i, letter in enumerate(letters)
    }


def scores(values: list[CellValue], prefix: str = "") -> Cells:
    return {CellKey(f"{prefix}{i:06}", 1): value for i, value in enumerate(values)}


def test_counts_stand_beside_the_figures() -> None:
    one = compare(labels("gbsx.dgg"), labels("gggggg.b"))
    assert (one.n_pairs, one.both, one.only_candidate, one.only_baseline, one.neither) == (
        3,
        1,
        1,
        1,
        0,
    )
    ours = one.candidate_counts
    assert (ours.skipped, ours.failed, ours.unlabeled, ours.disputed) == (1, 1, 1, 1)
    assert one.baseline_counts.unlabeled == 1
    assert one.half_labeled == 2
    assert one.method is Method.MCNEMAR


def test_nothing_labeled_is_too_few() -> None:
    found = verdict({"a": labels("...."), "b": labels("....")})
    (one,) = found.comparisons
    assert (one.difference, one.difference_ci95, one.p_value, one.p_adjusted) == (None,) * 4
    assert (one.p_anytime, one.verdict, one.labels_needed) == (None, Word.TOO_FEW, 390)
    assert [(arm.share, arm.ci95, arm.rank) for arm in found.arms] == [(None, None, None)] * 2


def test_baseline_is_the_first_arm_unless_named() -> None:
    arms = {"a": labels("g" * 9), "b": labels("b" * 9), "c": labels("g" * 9)}
    by_default = verdict(arms).comparisons
    assert [(one.candidate, one.baseline, one.verdict) for one in by_default] == [
        ("b", "a", Word.BASELINE),
        ("c", "a", Word.TOO_FEW),
    ]
    named = verdict(arms, "b").comparisons
    assert [(one.candidate, one.verdict) for one in named] == [
        ("a", Word.CANDIDATE),
        ("c", Word.CANDIDATE),
    ]
    assert [arm.rank for arm in verdict(arms).arms] == [1, 3, 1]


def test_holm_leaves_out_comparisons_without_pairs() -> None:
    arms = {"a": labels("b" * 8), "b": labels("g" * 8), "c": labels("." * 8)}
    one, empty = verdict(arms).comparisons
    assert one.p_adjusted == one.p_value == mcnemar(8, 0)
    assert (empty.p_adjusted, empty.verdict) == (None, Word.TOO_FEW)
    arms["c"] = labels("g" * 6 + "bb")
    both = verdict(arms).comparisons
    assert [one.p_adjusted for one in both] == [2 * mcnemar(8, 0), mcnemar(6, 0)]


def test_six_clear_cases_win_alone_and_not_among_three() -> None:
    arms = {"a": labels("b" * 6), "b": labels("g" * 6)}
    assert verdict(arms).comparisons[0].verdict is Word.CANDIDATE
    arms |= {"c": labels("b" * 6), "d": labels("b" * 6)}
    assert verdict(arms).comparisons[0].verdict is Word.TOO_FEW
    alone = compare(arms["b"], arms["a"])
    assert decide([alone], look_of(None), family=3)[0].p_adjusted == 3 * mcnemar(6, 0)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Plan(complete=True), Word.CANDIDATE),
        (Plan(complete=True, extensions=1), Word.TOO_FEW),
        (Plan(complete=True, labels_since=True), Word.TOO_FEW),
        (Plan(complete=False), Word.TOO_FEW),
    ],
)
def test_the_plan_decides_what_a_p_of_003_is_worth(plan: Plan, expected: Word) -> None:
    arms = {"a": labels("b" * 6 + "g" * 6), "b": labels("g" * 12)}
    (one,) = verdict(arms, plan=plan).comparisons
    assert one.p_value == mcnemar(6, 0)
    assert one.verdict is expected
    assert one.interim is not plan.complete


def test_labels_needed_is_at_least_what_the_plan_lacks() -> None:
    arms = {"a": labels("g" * 40), "b": labels("g" * 40)}
    plan = Plan(complete=False, lacking=1_234)
    assert verdict(arms, plan=plan).comparisons[0].labels_needed == 1_234
    nearer = Plan(complete=False, lacking=1)
    assert (verdict(arms, plan=nearer).comparisons[0].labels_needed or 0) > 1


def test_failed_cells_are_out_and_then_bad() -> None:
    """8 time-outs of the candidate: out of n nothing differs, as bad answers the baseline wins."""
    arms = {"a": labels("g" * 20), "b": labels("g" * 12 + "x" * 8)}
    (one,) = verdict(arms).comparisons
    assert (one.n_pairs, one.difference) == (12, 0)
    assert (one.verdict, one.verdict_failed_as_bad) == (Word.TOO_FEW, Word.BASELINE)
    (whole,) = verdict({"a": labels("g" * 12), "b": labels("g" * 12)}).comparisons
    assert whole.verdict_failed_as_bad is None


def test_failed_elsewhere_leaves_a_comparison_alone() -> None:
    arms = {"a": labels("gggg"), "b": labels("gggg"), "c": labels("gggx")}
    first, second = verdict(arms).comparisons
    assert first.verdict_failed_as_bad is None
    assert second.verdict_failed_as_bad is Word.TOO_FEW


def test_rows_with_equal_inputs_are_repeats_of_one_case() -> None:
    """Eight copies of one row must not look like eight cases."""
    copies = {CellKey("same", (row, 1)): State.GOOD for row in range(8)}
    worse = dict.fromkeys(copies, State.BAD)
    (one,) = verdict({"a": worse, "b": copies}).comparisons
    assert (one.n_pairs, one.n_cases, one.method) == (8, 1, Method.SIGN_FLIP)
    assert (one.p_value, one.difference_ci95, one.verdict) == (1, None, Word.TOO_FEW)


def test_repeats_take_the_sign_flip() -> None:
    arms = {"a": labels("bbbg" * 12, repeats=4), "b": labels("gggg" * 12, repeats=4)}
    found = verdict(arms)
    (one,) = found.comparisons
    assert (one.n_pairs, one.n_cases, one.method) == (48, 12, Method.SIGN_FLIP)
    assert one.p_value == 2 / 2**12
    assert one.verdict is Word.CANDIDATE
    assert found.arms[0].n_cases == 12
    assert found.arms[1].ci95 is not None
    assert found.arms[1].ci95.high == 1


def test_arms_without_a_common_case_are_unpaired() -> None:
    arms = {"a": labels("g" * 20 + "b" * 22, prefix="x"), "b": labels("g" * 30 + "b" * 10)}
    (one,) = verdict(arms).comparisons
    assert (one.method, one.n_pairs, one.both, one.neither) == (Method.FISHER, 0, None, None)
    assert one.p_value == pytest.approx(0.01355876, abs=1e-7)
    assert (one.verdict, one.p_adjusted) == (Word.CANDIDATE, one.p_value)
    assert one.n_cases == 82


def test_one_shared_case_pairs_even_without_its_label() -> None:
    shared = labels("g" * 20) | {CellKey("shared", 1): State.UNLABELED}
    other = labels("b" * 20, prefix="x") | {CellKey("shared", 1): State.GOOD}
    one = compare(shared, other)
    assert (one.method, one.n_pairs, one.half_labeled) == (Method.MCNEMAR, 0, 1)


def test_unpaired_arms_need_labels_of_both() -> None:
    (one,) = verdict({"a": labels("ggb", prefix="x"), "b": labels("gbb")}).comparisons
    assert one.verdict is Word.TOO_FEW
    assert (one.labels_needed or 0) > 100


def test_scores_of_zero_and_one_are_labels() -> None:
    binary = verdict({"a": scores([0.0] * 8), "b": scores([1.0] * 8)}).comparisons[0]
    assert (binary.method, binary.verdict) == (Method.MCNEMAR, Word.CANDIDATE)


def test_graded_scores_take_bootstrap_and_sign_flip() -> None:
    generator = np.random.default_rng(1)
    low = (generator.integers(0, 5, 40) / 10).tolist()
    high = [score + 0.3 for score in low]
    found = verdict({"a": scores(low), "b": scores([*high[:-1], State.UNLABELED])})
    (one,) = found.comparisons
    assert (one.method, one.n_pairs, one.both, one.p_anytime) == (Method.SIGN_FLIP, 39, None, None)
    assert one.difference == pytest.approx(0.3)
    assert found.arms[0].good is None
    assert found.arms[0].share == pytest.approx(np.mean(low))
    noisy = [score - 0.1 * (i % 3) for i, score in enumerate(high)]
    assert verdict({"a": scores(low), "b": scores(noisy)}).comparisons[0].verdict is Word.CANDIDATE
    few = {"a": scores(low[:19]), "b": scores(noisy[:19])}
    assert verdict(few).comparisons[0].verdict is Word.TOO_FEW


def test_failed_scores_count_as_0_the_second_time() -> None:
    arms = {
        "a": scores([0.9] * 29 + [0.8]),
        "b": scores([0.9 - 0.01 * (i % 2) for i in range(20)] + [State.FAILED] * 10),
    }
    (one,) = verdict(arms).comparisons
    assert one.n_pairs == 20
    assert one.verdict_failed_as_bad is Word.BASELINE


def test_figures_off_the_unit_scale_get_no_word() -> None:
    """Latency has an interval and no verdict, whatever failed."""
    fast = [100.0 + i for i in range(30)]
    slow = [200.0 + 2 * i for i in range(29)]
    (one,) = verdict({"a": scores(fast), "b": scores([*slow, State.FAILED])}).comparisons
    assert one.difference_ci95 is not None
    assert (one.verdict, one.labels_needed, one.verdict_failed_as_bad) == (None, None, None)


def test_mixed_kinds_of_scores_are_marked() -> None:
    binary, graded = scores([0.0, 1.0] * 5), scores([0.5, 0.7] * 5)
    assert compare(binary, graded).mixed_scores
    assert not compare(graded, graded).mixed_scores
    assert not compare(binary, binary).mixed_scores


def test_graded_scores_of_different_cases_get_no_word() -> None:
    one = compare(scores([0.1, 0.4] * 4), scores([0.6, 0.9] * 4, prefix="x"))
    assert (one.method, one.n_pairs, one.need) == (Method.PERMUTATION, 0, None)
    assert one.p_value is not None
    assert one.p_value < 0.05


def test_an_arm_alone_has_a_share_and_no_comparison() -> None:
    found = verdict({"a": labels("gb")})
    assert found.comparisons == ()
    assert rank_arms({"a": labels("gb")})[0].rank == 1
    assert arm_share("a", labels("gbsx")).n == 2
