"""Strength of arms from pairwise preferences: Bradley–Terry with Davidson's ties (1970).

P(i) = πᵢ/S, P(tie) = ν√(πᵢπⱼ)/S, S = πᵢ + πⱼ + ν√(πᵢπⱼ), θ = log π.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsets.statistics.preference import Preferred
from evalsets.statistics.quantiles import Interval

PENALTY = 0.01
BOOTSTRAPS = 1_000

Matrix = NDArray[np.float64]


class Match(NamedTuple):
    """One preference between two arms, by their positions; "a" is `first`."""

    first: int
    second: int
    preferred: Preferred


@dataclass(frozen=True)
class Strengths:
    """`log_strength` sums to 0; `nu` is 0 where nobody ever tied."""

    log_strength: tuple[float, ...]
    nu: float

    def win_share(self, arm: int, against: int) -> float:
        """Expected wins plus half the ties, (πᵢ + ½ν√(πᵢπ₀))/S."""
        half_gap = (self.log_strength[arm] - self.log_strength[against]) / 2
        ours, theirs = np.exp(half_gap), np.exp(-half_gap)
        return float((ours + self.nu / 2) / (ours + theirs + self.nu))


@dataclass(frozen=True)
class RankedArm:
    """Expected win share against the baseline; intervals by bootstrap of cases."""

    arm: int
    log_strength: float
    win_share: float
    win_share_ci95: Interval
    rank: int
    rank_ci95: tuple[int, int]


@dataclass(frozen=True)
class Ranking:
    """`arms` is empty when `groups`, the arms joined by comparisons, are more than one."""

    arms: tuple[RankedArm, ...]
    nu: float | None
    groups: tuple[tuple[int, ...], ...]


def davidson(
    wins: Matrix,
    ties: Matrix,
    start: Strengths | None = None,
    *,
    penalty: float = PENALTY,
    gtol: float = 1e-7,
) -> Strengths:
    """The fit that minimises −log L + penalty·(Σθ² + (log ν)²); the penalty keeps it finite.

    `wins[i, j]`: how often i beat j; `ties` symmetric. Without a tie ν = 0 and its term is gone.
    """
    from scipy.optimize import minimize

    count = len(wins)
    tied = bool(ties.any())
    guess = np.zeros(count + tied)
    if start is not None:
        guess[:count] = start.log_strength
        if tied and start.nu > 0:
            guess[count] = np.log(start.nu)
    fit = minimize(
        _loss, guess, (wins, ties, penalty), method="BFGS", jac=True, options={"gtol": gtol}
    )
    theta = fit.x[:count] - fit.x[:count].mean()
    return Strengths(tuple(map(float, theta)), float(np.exp(fit.x[count])) if tied else 0.0)


def _loss(parameters: Matrix, wins: Matrix, ties: Matrix, penalty: float) -> tuple[float, Matrix]:
    """Penalised −log L and its gradient in (θ, log ν)."""
    count = len(wins)
    theta, log_nu = parameters[:count], parameters[count:]
    i, j = np.triu_indices(count, 1)
    won, lost, tied = wins[i, j], wins[j, i], ties[i, j]
    middle = (theta[i] + theta[j]) / 2
    drawn = middle + log_nu[0] if log_nu.size else np.full(len(i), -np.inf)
    options = np.stack([theta[i], theta[j], drawn])
    log_sum = np.logaddexp.reduce(options, axis=0)
    chance = np.exp(options - log_sum)
    games = won + lost + tied
    counts = np.stack([won, lost, tied])
    used = 3 if log_nu.size else 2
    log_likelihood = (counts[:used] * (options - log_sum)[:used]).sum()
    surplus = counts - games * chance
    gradient = 2 * penalty * parameters
    np.subtract.at(gradient, i, surplus[0] + surplus[2] / 2)
    np.subtract.at(gradient, j, surplus[1] + surplus[2] / 2)
    if log_nu.size:
        gradient[count] -= surplus[2].sum()
    return float(penalty * (parameters**2).sum() - log_likelihood), gradient


def connected_groups(games: Matrix) -> tuple[tuple[int, ...], ...]:
    """Arms that comparisons join, directly or through others; one group means all can be ranked."""
    left, groups = set(range(len(games))), list[tuple[int, ...]]()
    while left:
        group, frontier = set[int](), {min(left)}
        while frontier:
            group |= frontier
            frontier = {int(k) for arm in frontier for k in np.flatnonzero(games[arm])} - group
        left -= group
        groups.append(tuple(sorted(group)))
    return tuple(groups)


def rank_by_preference(cases: Sequence[Sequence[Match]], n_arms: int, baseline: int = 0) -> Ranking:
    """Rank arms from the preferences of every case, with 1,000 bootstraps of cases."""
    games = _count(cases, n_arms)
    wins, ties = games.sum(axis=0)
    groups = connected_groups(wins + wins.T + ties)
    if len(groups) > 1:
        return Ranking((), None, groups)
    best = davidson(wins, ties)
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(len(cases), np.full(len(cases), 1 / len(cases)), BOOTSTRAPS)
    resampled = np.tensordot(drawn.astype(float), games, axes=1)
    # percentiles do not need seven digits, and a thousand fits take a second
    fits = [davidson(wins, ties, best, gtol=1e-4) for wins, ties in resampled]
    return Ranking(_ranked_arms(best, fits, baseline), best.nu, groups)


def _ranked_arms(
    best: Strengths, fits: Sequence[Strengths], baseline: int
) -> tuple[RankedArm, ...]:
    ranks = _places(best)
    places = np.array([_places(fit) for fit in fits])
    found: list[RankedArm] = []
    for arm, theta in enumerate(best.log_strength):
        shares = [fit.win_share(arm, baseline) for fit in fits]
        low, high = np.quantile(shares, [0.025, 0.975])
        interval = Interval(float(low), float(high))
        share = best.win_share(arm, baseline)
        found.append(
            RankedArm(arm, theta, share, interval, ranks[arm], _rank_interval(places[:, arm]))
        )
    return tuple(found)


def _count(cases: Sequence[Sequence[Match]], n_arms: int) -> Matrix:
    """Shape (cases, 2, arms, arms): wins of row over column, and ties on both sides."""
    games = np.zeros((len(cases), 2, n_arms, n_arms))
    for row, case in enumerate(cases):
        for first, second, preferred in case:
            if preferred is Preferred.CANDIDATE:
                games[row, 0, first, second] += 1
            elif preferred is Preferred.BASELINE:
                games[row, 0, second, first] += 1
            else:
                games[row, 1, first, second] += 1
                games[row, 1, second, first] += 1
    return games


def _places(fit: Strengths) -> list[int]:
    # arms equal up to the optimizer's tolerance share a place
    rounded = [round(theta, 4) for theta in fit.log_strength]
    return [1 + sum(1 for other in rounded if other > theta) for theta in rounded]


def _rank_interval(places: NDArray[np.int_]) -> tuple[int, int]:
    low = np.quantile(places, 0.025, method="lower")
    high = np.quantile(places, 0.975, method="higher")
    return int(low), int(high)
