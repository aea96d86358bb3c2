import choix
import numpy as np
import pytest
import statsmodels.api as sm

from evalsets.statistics import bradley_terry
from evalsets.statistics.bradley_terry import Match, connected_groups, davidson, rank_by_preference
from evalsets.statistics.preference import Preferred

A, B, TIE = Preferred.CANDIDATE, Preferred.BASELINE, Preferred.TIE
WINS = np.array([[0, 8, 9, 2], [4, 0, 7, 6], [3, 5, 0, 1], [5, 2, 2, 0]], float)
TIES = np.array([[0, 3, 2, 1], [3, 0, 4, 0], [2, 4, 0, 2], [1, 0, 2, 0]], float)


def test_without_ties_choix_agrees() -> None:
    data = [(i, j) for i in range(4) for j in range(4) for _ in range(int(WINS[i, j]))]
    oracle = choix.opt_pairwise(4, data, alpha=0.01, tol=1e-10)
    found = davidson(WINS, np.zeros((4, 4)))
    assert found.log_strength == pytest.approx(oracle - oracle.mean(), abs=1e-5)
    assert found.nu == 0


def test_with_ties_a_poisson_model_agrees() -> None:
    """Davidson's model as a log-linear one (Fienberg 1979), which knows no penalty."""
    counts, rows = [], []
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    for k, (i, j) in enumerate(pairs):
        for outcome in ("i", "j", "tie"):
            row = np.zeros(4 + len(pairs))
            shares = {"i": (1, 0), "j": (0, 1), "tie": (0.5, 0.5)}[outcome]
            for arm, share in zip((i, j), shares, strict=True):
                if arm:
                    row[arm - 1] += share
            row[3] = outcome == "tie"
            row[4 + k] = 1
            rows.append(row)
            counts.append({"i": WINS[i, j], "j": WINS[j, i], "tie": TIES[i, j]}[outcome])
    fit = sm.GLM(np.array(counts), np.array(rows), family=sm.families.Poisson()).fit(tol=1e-12)
    theta = np.array([0.0, *fit.params[:3]])
    found = davidson(WINS, TIES, penalty=0)
    assert found.log_strength == pytest.approx(theta - theta.mean(), abs=1e-4)
    assert found.nu == pytest.approx(np.exp(fit.params[3]), abs=1e-4)


def test_gradient_equals_differences() -> None:
    at = np.array([0.3, -0.2, 0.1, -0.2, 0.4])
    _, gradient = bradley_terry._loss(at, WINS, TIES, 0.01)
    for k in range(5):
        step = np.zeros(5)
        step[k] = 1e-6
        up, down = (bradley_terry._loss(at + s, WINS, TIES, 0.01)[0] for s in (step, -step))
        assert gradient[k] == pytest.approx((up - down) / 2e-6, abs=1e-4)


def test_an_arm_against_itself_wins_half() -> None:
    fit = davidson(WINS, TIES)
    assert fit.win_share(2, 2) == pytest.approx(0.5)
    assert fit.win_share(0, 1) + fit.win_share(1, 0) == pytest.approx(1)
    assert sum(fit.log_strength) == pytest.approx(0)


def test_an_arm_that_wins_all_stays_finite() -> None:
    fit = davidson(np.array([[0, 500], [0, 0]], float), np.zeros((2, 2)))
    assert np.isfinite(fit.log_strength).all()
    assert 0.99 < fit.win_share(0, 1) < 1


def test_ranking_with_intervals() -> None:
    generator = np.random.default_rng(0)
    strength = [0.0, 0.0, 2.5]
    cases = []
    for _ in range(60):
        case: list[Match] = []
        for i, j in [(0, 1), (0, 2), (1, 2)]:
            chance = 1 / (1 + np.exp(strength[j] - strength[i]))
            drawn = generator.random()
            case.append(Match(i, j, TIE if drawn < 0.1 else A if drawn < 0.1 + 0.9 * chance else B))
        cases.append(case)
    found = rank_by_preference(cases, 3)
    assert found.groups == ((0, 1, 2),)
    assert found.nu is not None
    assert found.nu > 0
    baseline, other, best = found.arms
    assert baseline.win_share == pytest.approx(0.5)
    assert best.rank == 1
    assert best.rank_ci95 == (1, 1)
    assert best.win_share_ci95.low > 0.5
    assert other.win_share_ci95.low < 0.5 < other.win_share_ci95.high
    assert {baseline.rank_ci95, other.rank_ci95} == {(2, 3)}
    assert rank_by_preference(cases, 3) == found


def test_arms_that_nobody_compared_are_named_not_ranked() -> None:
    found = rank_by_preference([[Match(0, 1, A)], [Match(2, 3, TIE)]], 5)
    assert found.arms == ()
    assert found.groups == ((0, 1), (2, 3), (4,))
    chain = np.zeros((3, 3))
    chain[0, 2] = chain[2, 0] = chain[1, 2] = chain[2, 1] = 1
    assert connected_groups(chain) == ((0, 1, 2),)


def test_equal_arms_share_a_rank() -> None:
    cases = [[Match(0, 1, A)], [Match(0, 1, B)]]
    assert [arm.rank for arm in rank_by_preference(cases, 2).arms] == [1, 1]


def test_the_turned_match_is_the_same() -> None:
    one = rank_by_preference([[Match(0, 1, A)], [Match(1, 0, A)], [Match(0, 1, A)]], 2)
    other = rank_by_preference([[Match(1, 0, B)], [Match(0, 1, B)], [Match(1, 0, B)]], 2)
    assert one == other
