"""Repeats of a run: pass@k, pass^k and flicker by labels and by scores, in its report."""

import math

import pytest

from core.database import Database
from evalsets.labels.service import Press, checked, item_of, save_label
from evalsets.models import Cell
from evalsets.runs.report import run_json
from evalsets.statistics.resampling import bootstrap_mean, bootstrap_ratio
from evalsets.verdicts.steadiness import steadiness
from tests.support.runs_factory import make_run, score_run


def good(cell: Cell) -> float:
    """Arm 0 is good in two of three repeats, arm 1 always; each case alike."""
    return float(cell.arm == 1 or cell.repeat < 3)


def test_a_run_with_repeats_tells_how_steady_each_arm_is(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("test") as session:
        run = make_run(session, cases=8, repeats=3)
        score_run(session, run, "exact", good)
        score_run(session, run, "graded", lambda cell: cell.repeat / 4)
        for repeat, word in enumerate(("good", "bad")):
            save_label(session, item_of(session, run, repeat), checked(word), Press("import"))
        arms = run_json(session, run)["arms"]
    first, second = (arm["steadiness"] for arm in arms)
    assert set(first) == {"label", "exact"}, "a graded score is neither good nor bad"
    assert [one["k"] for one in first["exact"]["passes"]] == [1, 2, 3]
    assert first["exact"]["passes"][1]["pass_at_k"] == 1
    assert first["exact"]["passes"][1]["pass_hat_k"] == pytest.approx(1 / 3)
    assert first["exact"]["passes"][2]["pass_hat_k"] == 0
    assert (first["exact"]["flicker"], second["exact"]["flicker"]) == (1, 0)
    assert first["exact"]["two_disagree"] == pytest.approx(2 / 3)
    low, high = second["exact"]["flicker_ci95"]
    assert low == 0 < high
    labels = first["label"]
    assert [one["n_cases"] for one in labels["passes"]] == [1, 1]
    assert labels["flicker"] == 1
    assert "label" not in second, "nothing of this arm is labeled"


def test_without_repeats_there_is_nothing_to_tell(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("test") as session:
        run = make_run(session, cases=3)
        assert steadiness(session, run) == [{}, {}]
        assert "steadiness" not in run_json(session, run)["arms"][0]


def test_the_quick_bootstrap_of_a_mean_agrees_with_the_plain_one() -> None:
    values = [0.0] * 31 + [1 / 3] * 12 + [1.0] * 57
    quick, plain = bootstrap_mean(values), bootstrap_ratio(values, [1] * 100)
    assert quick is not None
    assert plain is not None
    assert math.isclose(quick.low, plain.low, abs_tol=0.01)
    assert math.isclose(quick.high, plain.high, abs_tol=0.01)
    assert bootstrap_mean([1.0] * 50) is None
    assert bootstrap_mean([0.0, 1.0] * 2) is None
