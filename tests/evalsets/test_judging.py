import numpy as np
import pytest
from ppi_py import ppi_mean_pointestimate
from scipy.stats import t as student
from sklearn.metrics import cohen_kappa_score

from evalsets.statistics.judging import (
    Judged,
    compare_judged,
    corrected_difference,
    corrected_share,
    judge_rates,
)
from evalsets.statistics.pairing import Method
from evalsets.statistics.rogan_gladen import rogan_gladen
from evalsets.statistics.shares import wilson
from evalsets.statistics.verdict import decide
from evalsets.statistics.words import Word, look_of


def judged(seed: int, labeled: int, unlabeled: int) -> tuple[list[Judged], list[float]]:
    generator = np.random.default_rng(seed)
    human = generator.random(labeled + unlabeled) < 0.7
    judge = np.where(generator.random(human.size) < 0.85, human, ~human)
    both = zip(human[:labeled].tolist(), judge[:labeled].tolist(), strict=True)
    return [Judged(float(h), float(j)) for h, j in both], judge[labeled:].astype(float).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_tuned_mean_equals_ppi_py(seed: int) -> None:
    both, others = judged(seed, 40, 300)
    y, f = (np.array(column) for column in zip(*both, strict=True))
    oracle = ppi_mean_pointestimate(y, f, np.array(others))
    assert corrected_share(both, others).share == pytest.approx(float(oracle[0]), abs=1e-9)


def test_a_judge_that_says_always_good_is_not_heard() -> None:
    both = [Judged(float(i % 3 > 0), 1.0) for i in range(30)]
    found = corrected_share(both, [1.0] * 200)
    assert (found.lam, found.share) == (0, pytest.approx(2 / 3))


def test_a_judge_that_errs_always_is_not_turned_round() -> None:
    both = [Judged(float(i % 2), float(i % 2 == 0)) for i in range(30)]
    assert corrected_share(both, [1.0, 0.0] * 50).lam == 0


@pytest.mark.parametrize("unlabeled", [[], [1.0]])
def test_fewer_than_two_unlabeled_give_the_plain_share(unlabeled: list[float]) -> None:
    both, _ = judged(0, 30, 2)
    found = corrected_share(both, unlabeled)
    assert found.share == pytest.approx(sum(one.human for one in both) / 30)
    assert found.lam == 0
    assert found.ci95 is not None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_equal_takes_n(value: float) -> None:
    found = corrected_share([Judged(value, value)] * 25, [value] * 100)
    shrunk = 25 * (1.959964 / student.ppf(0.975, 24)) ** 2
    assert found.share == value
    assert found.ci95 == pytest.approx(wilson(value * shrunk, shrunk))
    assert found.ci95 is not None
    assert found.ci95[int(value)] == value


def test_people_and_judge_of_one_mind_are_worth_no_more_than_all_cells() -> None:
    both = [Judged(float(i % 2), float(i % 2)) for i in range(40)]
    found = corrected_share(both, [0.0, 1.0] * 200)
    widest = wilson(220, 440)
    assert found.ci95 is not None
    assert widest is not None
    assert found.ci95.half_width >= widest.half_width


@pytest.mark.parametrize("n", [0, 1])
def test_without_two_labels_there_is_no_interval(n: int) -> None:
    both = [Judged(1.0, 1.0)] * n
    assert corrected_share(both, [1.0] * 9).ci95 is None
    found = corrected_difference(both, [1.0] * 9)
    assert (found.difference_ci95, found.p_value) == (None, None)


def test_difference_by_the_formula_with_numpy() -> None:
    generator = np.random.default_rng(3)
    y = generator.choice([-1.0, 0.0, 1.0], 40)
    f = np.where(generator.random(40) < 0.7, y, 0)
    others = generator.choice([-1.0, 0.0, 1.0], 200)
    lam = np.cov(y, f, ddof=0)[0, 1] / ((1 + 40 / 200) * np.var(np.append(f, others), ddof=1))
    theta = y.mean() + lam * (others.mean() - f.mean())
    e = y - lam * f
    corners = np.array([1, -1, -lam, lam])
    spread = ((e - e.mean()) ** 2).sum() + ((corners - e.mean()) ** 2).sum() / 2
    error = np.sqrt(lam**2 * others.var(ddof=1) / 200 + spread / 41 / 40)
    both = [Judged(*pair) for pair in zip(y.tolist(), f.tolist(), strict=True)]
    found = corrected_difference(both, others.tolist())
    half = student.ppf(0.975, 39) * error
    assert found.difference == pytest.approx(theta)
    assert found.difference_ci95 == pytest.approx((theta - half, theta + half))
    assert found.p_value == pytest.approx(2 * student.sf(abs(theta) / error, 39))


def test_words_of_a_corrected_difference() -> None:
    better = [Judged(1.0, 1.0)] * 12 + [Judged(0.0, 0.0)] * 18
    found = compare_judged(better, [1.0] * 40 + [0.0] * 60)
    assert found.method is Method.PPI
    assert decide([found], look_of(None))[0].verdict is Word.CANDIDATE
    (few,) = decide([compare_judged(better[:19], [1.0] * 100)], look_of(None))
    assert (few.verdict, few.labels_needed) == (Word.TOO_FEW, 22)


def test_rates_and_kappa() -> None:
    human = [1] * 46 + [0] * 24
    judge = [1] * 42 + [0] * 4 + [1] * 6 + [0] * 18
    found = judge_rates(
        human_good_judge_good=42,
        human_bad_judge_good=6,
        human_good_judge_bad=4,
        human_bad_judge_bad=18,
    )
    assert found.kappa == pytest.approx(cohen_kappa_score(human, judge))
    assert found.tpr_ci95 == wilson(42, 46)
    none = judge_rates(
        human_good_judge_good=5,
        human_bad_judge_good=0,
        human_good_judge_bad=0,
        human_bad_judge_bad=0,
    )
    assert (none.tpr, none.tnr, none.tnr_ci95, none.kappa) == (1, None, None, None)


def test_rogan_gladen_undoes_known_error_rates() -> None:
    """Share 0.6 seen by a judge with TPR 0.9 and TNR 0.8: 0.6·0.9 + 0.4·0.2 = 0.62."""
    found = rogan_gladen(
        judged_good=6_200, judged_n=10_000, tp=900, human_good=1_000, tn=800, human_bad=1_000
    )
    assert found.share == pytest.approx(0.6)
    assert found.ci95 is not None
    assert found.ci95.low < 0.6 < found.ci95.high
    assert found.ci95.half_width < 0.05


@pytest.mark.parametrize(
    ("judged_good", "judged_n", "tp", "human_good", "tn", "human_bad"),
    [(5, 0, 4, 5, 4, 5), (5, 9, 0, 0, 4, 5), (5, 9, 4, 5, 0, 0), (5, 9, 1, 10, 9, 10)],
)
def test_rates_that_do_not_fit_give_nothing(
    judged_good: int, judged_n: int, tp: int, human_good: int, tn: int, human_bad: int
) -> None:
    found = rogan_gladen(
        judged_good=judged_good,
        judged_n=judged_n,
        tp=tp,
        human_good=human_good,
        tn=tn,
        human_bad=human_bad,
    )
    assert (found.share, found.ci95) == (None, None)


def test_an_estimate_just_outside_is_clipped() -> None:
    found = rogan_gladen(judged_good=98, judged_n=100, tp=45, human_good=50, tn=40, human_bad=50)
    assert found.share == 1
    assert found.ci95 is not None
    assert found.ci95.high == 1
