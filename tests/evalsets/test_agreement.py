import math

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from evalsets.statistics.agreement import Level, Rating, agreement, cohen_kappa, krippendorff_alpha
from evalsets.statistics.alpha_bootstrap import resampled_alphas
from tests.support.depth import DEEP


def drawn(items: int, annotators: int, missing: float = 0.2, seed: int = 0) -> list[list[Rating]]:
    generator = np.random.default_rng(seed)
    truth = generator.random(items) < 0.6
    rows: list[list[Rating]] = []
    for value in truth:
        wrong = generator.random(annotators) < 0.15
        skipped = generator.random(annotators) < missing
        rows.append(
            [None if s else "g" if value != w else "b" for w, s in zip(wrong, skipped, strict=True)]
        )
    return rows


def test_cohen_equals_sklearn_on_the_common_items() -> None:
    rows = drawn(80, 3)
    found = agreement(["a", "b", "c"], rows)
    assert list(found.cohen_kappa) == ["a|b", "a|c", "b|c"]
    for name, (i, j) in {"a|b": (0, 1), "a|c": (0, 2), "b|c": (1, 2)}.items():
        common = [(row[i], row[j]) for row in rows if row[i] and row[j]]
        oracle = cohen_kappa_score(*zip(*common, strict=True))
        assert found.cohen_kappa[name] == pytest.approx(oracle)


def test_cohen_of_two_who_use_one_category() -> None:
    assert cohen_kappa([[9, 0], [0, 0]]) is None
    assert cohen_kappa([[0, 0], [0, 0]]) is None
    assert cohen_kappa([[8, 2], [0, 0]]) == pytest.approx(0)
    assert agreement(["a", "b"], [["g", None], [None, "b"]]).cohen_kappa == {"a|b": None}


def coincidence_alpha(rows: list[list[Rating]], level: Level) -> float:
    """Krippendorff 2011 by hand: coincidences, expected coincidences, metric."""
    units = [[r for r in row if r is not None] for row in rows]
    units = [unit for unit in units if len(unit) > 1]
    values = sorted({r for unit in units for r in unit})  # type: ignore
    size = len(values)
    together = np.zeros((size, size))
    for unit in units:
        for i, one in enumerate(unit):
            for j, other in enumerate(unit):
                if i != j:
                    together[values.index(one), values.index(other)] += 1 / (len(unit) - 1)
    margin = together.sum(axis=1)
    metric = np.zeros((size, size))
    for c in range(size):
        for k in range(size):
            low, high = min(c, k), max(c, k)
            metric[c, k] = {
                "nominal": lambda c=c, k=k: float(c != k),
                "interval": lambda c=c, k=k: (values[c] - values[k]) ** 2,
                "ordinal": lambda c=c, k=k, low=low, high=high: (
                    (margin[low : high + 1].sum() - (margin[c] + margin[k]) / 2) ** 2
                ),
            }[level]()
    expected = (np.outer(margin, margin) * metric).sum()
    return 1 - (margin.sum() - 1) * (together * metric).sum() / expected


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_three_ways(level: Level) -> None:
    """The package, the matrix by hand, and the sums over items that the bootstrap uses."""
    generator = np.random.default_rng(4)
    base = generator.integers(1, 6, (40, 1))
    noisy = np.clip(base + generator.integers(-1, 2, (40, 3)), 1, 5)
    rows: list[list[Rating]] = [
        [None if generator.random() < 0.2 else float(r) for r in row] for row in noisy
    ]
    found = krippendorff_alpha(rows, level)
    assert found == pytest.approx(coincidence_alpha(rows, level))
    whole = [[r for r in row if r is not None] for row in rows]
    counts = np.array([[row.count(v) for v in range(1, 6)] for row in whole if len(row) > 1], float)
    positions = None if level == "nominal" else [1, 2, 3, 4, 5]
    weights = np.ones((1, len(counts)))
    alphas = resampled_alphas(counts, weights, positions, level == "ordinal")
    assert alphas[0] == pytest.approx(found)


def test_alpha_interval_is_that_of_resampled_items() -> None:
    rows = drawn(60, 3)
    found = agreement(["a", "b", "c"], rows)
    assert found.alpha_ci95 is not None
    assert found.krippendorff_alpha is not None
    assert found.alpha_ci95.low < found.krippendorff_alpha < found.alpha_ci95.high
    items = [row for row in rows if sum(r is not None for r in row) > 1]
    codes = np.array([[{None: np.nan, "g": 1, "b": 0}[r] for r in row] for row in items])  # type: ignore
    generator = np.random.default_rng(9)
    alphas = [
        krippendorff.alpha(codes[generator.integers(0, len(codes), len(codes))].T)
        for _ in range(2_000 if DEEP else 400)
    ]
    low, high = np.quantile(alphas, [0.025, 0.975])
    assert found.alpha_ci95 == pytest.approx((low, high), abs=0.02 if DEEP else 0.06)
    assert agreement(["a", "b", "c"], rows) == found


def test_alpha_interval_needs_20_items_and_5_of_the_rarer_label() -> None:
    def interval(rows: list[list[Rating]]) -> object:
        return agreement(["a", "b"], rows).alpha_ci95

    same: list[list[Rating]] = [["g", "g"]] * 15
    assert interval([*same, *[["b", "b"]] * 5]) is not None
    assert interval([*same[1:], *[["b", "b"]] * 5]) is None
    assert interval([*same, ["g", "g"], *[["b", "b"]] * 4]) is None
    # one with the rarer label from either annotator counts; a lone label is no item
    assert interval([*same, *[["g", "b"]] * 5]) is not None
    assert interval([*same[1:], ["g", None], *[["b", "b"]] * 5]) is None


def test_fleiss_only_with_equal_numbers() -> None:
    rows: list[list[Rating]] = [["g", "g", "b"], ["b", "b", "b"], ["g", "g", "g"], ["g", "b", "b"]]
    table = np.array([[2, 1], [0, 3], [3, 0], [1, 2]])
    share = table.sum(axis=0) / 12
    seen = ((table**2).sum(axis=1) - 3).mean() / 6
    by_chance = (share**2).sum()
    found = agreement(["a", "b", "c"], rows).fleiss_kappa
    assert found == pytest.approx((seen - by_chance) / (1 - by_chance))
    assert agreement(["a", "b", "c"], [*rows, ["g", "g", None]]).fleiss_kappa is None


def test_nothing_in_common() -> None:
    found = agreement(["a", "b"], [["g", None], [None, None]])
    assert (found.items, found.percent_agreement, found.krippendorff_alpha) == (0, None, None)
    assert not found.all_equal


def test_all_equal_is_said() -> None:
    found = agreement(["a", "b"], [["g", "g"]] * 30)
    assert (found.all_equal, found.percent_agreement) == (True, 1)
    assert (found.fleiss_kappa, found.krippendorff_alpha, found.alpha_ci95) == (None, None, None)


def test_percent_is_a_mean_over_items() -> None:
    found = agreement(["a", "b", "c"], [["g", "g", "b"], ["g", "g", None]])
    assert found.percent_agreement is not None
    assert math.isclose(found.percent_agreement, (1 / 3 + 1) / 2)
