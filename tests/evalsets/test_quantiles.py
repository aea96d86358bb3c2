import math
import subprocess
import sys

import pytest
from scipy import stats

from evalsets.statistics.quantiles import Interval, expanded_level, normal_quantile, t975


def test_t975_equals_scipy_on_both_sides_of_the_switch() -> None:
    for df in [*range(1, 600), 1_000, 5_000, 100_000]:
        assert t975(df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9), df


def test_t_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="degree of freedom"):
        t975(0)


@pytest.mark.parametrize("probability", [0.001, 0.5, 0.9, 0.9995])
def test_normal_quantile(probability: float) -> None:
    assert normal_quantile(probability) == pytest.approx(stats.norm.ppf(probability), abs=1e-9)


@pytest.mark.parametrize("n_cases", [2, 6, 20, 1_000])
def test_expanded_level(n_cases: int) -> None:
    x = math.sqrt(n_cases / (n_cases - 1)) * stats.t.ppf(0.975, n_cases - 1)
    assert expanded_level(n_cases) == pytest.approx(1 - 2 * stats.norm.cdf(-x), abs=1e-12)


def test_a_bound_counts_as_inside() -> None:
    assert not Interval(0.0, 0.2).leaves_out(0)
    assert Interval(1e-9, 0.2).leaves_out(0)
    assert Interval(-0.1, 0.3).half_width == pytest.approx(0.2)


def test_figures_of_an_arm_load_no_heavy_package() -> None:
    """`run show` has 0.8 s of CPU; NumPy alone takes 0.2 s of it."""
    code = """
import sys
import evalsets.statistics.verdict, evalsets.statistics.votes, evalsets.statistics.words
from evalsets.statistics.cells import CellKey, State
from evalsets.statistics.shares import latency
from evalsets.statistics.verdict import verdict
cells = {CellKey(str(i), r): State.GOOD if i % 3 else State.BAD for i in range(9) for r in (1, 2)}
once = {CellKey(str(i), 1): State.GOOD if i % 2 else State.BAD for i in range(9)}
from evalsets.statistics.verdict import arm_share
arm_share("a", cells), latency([1, 2, 3]), verdict({"a": once, "b": once})
print(sorted({"numpy", "scipy", "pandas", "statsmodels", "krippendorff"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
