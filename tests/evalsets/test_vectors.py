"""Published vectors of every figure, through the product's own functions.

`STATISTICS_VECTORS` names another file of the same format: JSON lines, or one JSON list.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalsets.statistics.agreement import agreement, krippendorff_alpha
from evalsets.statistics.bradley_terry import davidson
from evalsets.statistics.cells import CellKey, State
from evalsets.statistics.comparison import compare
from evalsets.statistics.judging import (
    Judged,
    corrected_difference,
    corrected_share,
    judge_rates,
)
from evalsets.statistics.needs import PairNeed
from evalsets.statistics.pairing import Table, p_anytime, paired, paired_from_sums, sign_flip
from evalsets.statistics.preference import (
    position_bias_judge,
    position_bias_people,
    preference_by_case,
)
from evalsets.statistics.quantiles import expanded_level
from evalsets.statistics.repeats import flicker, pass_k
from evalsets.statistics.retrieval import retrieval
from evalsets.statistics.rogan_gladen import rogan_gladen
from evalsets.statistics.scores import score_difference
from evalsets.statistics.shares import CaseCost, cost_per_good, latency, share_of_good, wilson
from evalsets.statistics.unpaired import unpaired
from evalsets.statistics.verdict import decide
from evalsets.statistics.votes import Vote, cell_label
from evalsets.statistics.words import holm, look_of, plan_shows

Figures = dict[str, Any]
OWN = Path(__file__).with_name("statistics_vectors.jsonl")
LETTERS = {
    "g": State.GOOD,
    "b": State.BAD,
    "s": State.SKIP,
    ".": State.UNLABELED,
    "x": State.FAILED,
    "d": State.DISPUTED,
}


def load(path: Path) -> list[Figures]:
    text = path.read_text("utf-8")
    try:
        found = json.loads(text)
        return found if isinstance(found, list) else [found]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _wilson(good: float, n: float) -> Figures:
    return {"share": good / n if n else None, "ci95": wilson(good, n)}


def _share_clustered(cases: list[list[int | None]]) -> Figures:
    return asdict(share_of_good([[cell for cell in case if cell is not None] for case in cases]))


def _paired(both: int, only_candidate: int, only_baseline: int, neither: int) -> Figures:
    table = Table(both, only_candidate, only_baseline, neither)
    signs = [1] * only_candidate + [-1] * only_baseline + [0] * (both + neither)
    found = paired_from_sums(table, signs, [1] * len(signs))
    return _flat(found, table) | {"ci95": found.difference_ci95}


def _flat(found: Any, table: Table) -> Figures:
    return asdict(found) | table._asdict()


def _paired_repeats(cases: list[list[list[int | None]]]) -> Figures:
    whole = [[(c, b) for c, b in case if c is not None and b is not None] for case in cases]
    found = paired(whole)
    return _flat(found, found.table)


def _verdict(
    baseline: str, candidate: str, alpha: float, family: int, resolution: float
) -> Figures:
    def cells(letters: str) -> dict[CellKey, State]:
        return {CellKey(f"{i:06}", 1): LETTERS[letter] for i, letter in enumerate(letters)}

    one = compare(cells(candidate), cells(baseline))
    return asdict(decide([one], look_of(None, alpha), resolution, family)[0])


def _labels_needed(
    n_pairs: int,
    only_candidate: int,
    only_baseline: int,
    alpha: float,
    family: int,
    half_labeled: int = 0,
    design_effect: float = 1.0,
    resolution: float = 0.1,
    n_cases: int | None = None,
) -> Figures:
    cases = n_pairs if n_cases is None else n_cases
    need = PairNeed(n_pairs, cases, only_candidate, only_baseline, half_labeled, design_effect)
    return {"labels_needed": need.labels_needed(resolution, alpha, family)}


def _unpaired(
    candidate_good: int, candidate_n: int, baseline_good: int, baseline_n: int
) -> Figures:
    def cases(good: int, n: int) -> list[list[float]]:
        return [[1.0]] * good + [[0.0]] * (n - good)

    found = unpaired(cases(candidate_good, candidate_n), cases(baseline_good, baseline_n))
    return asdict(found)


def _cell_label(votes: list[str]) -> Figures:
    given = [
        Vote(f"annotator-{i}", vote.removeprefix("adjudicated:"), vote.startswith("adjudicated:"))
        for i, vote in enumerate(votes)
    ]
    return {"label": cell_label(given)}


def _preference(win: int, tie: int, loss: int) -> Figures:
    found = preference_by_case([[1]] * win + [[0]] * tie + [[-1]] * loss)
    return asdict(found.comparison) | asdict(found)


def _bradley_terry(
    arms: list[str], wins: list[list[int]], ties: list[list[int]], penalty: float = 0.01
) -> Figures:
    fit = davidson(np.asarray(wins, float), np.asarray(ties, float), penalty=penalty)
    shares = [fit.win_share(arm, 0) for arm in range(len(arms))]
    return {"log_strength": fit.log_strength, "nu": fit.nu, "win_share_vs_first": shares}


def _agreement(annotators: list[str], labels: list[list[str | None]]) -> Figures:
    return asdict(agreement(annotators, labels))


def _corrected_share(labeled: dict[str, int], unlabeled: dict[str, int]) -> Figures:
    corners = {
        "human_good_judge_good": Judged(1, 1),
        "human_good_judge_bad": Judged(1, 0),
        "human_bad_judge_good": Judged(0, 1),
        "human_bad_judge_bad": Judged(0, 0),
    }
    both = [corners[name] for name, count in labeled.items() for _ in range(count)]
    judged = [1.0] * unlabeled["judge_good"] + [0.0] * (unlabeled["n"] - unlabeled["judge_good"])
    return asdict(corrected_share(both, judged))


def _corrected_difference(
    human: list[float], judge_labeled: list[float], judge_unlabeled: list[float]
) -> Figures:
    both = [Judged(*pair) for pair in zip(human, judge_labeled, strict=True)]
    return asdict(corrected_difference(both, judge_unlabeled))


def _cost_per_good(cases: list[list[float]]) -> Figures:
    costs = [CaseCost(Decimal(str(cost)), int(good)) for cost, good in cases]
    total = sum((cost.cost for cost in costs if cost.cost is not None), Decimal(0))
    return asdict(cost_per_good(costs, total, len(costs)))


def _score_difference(candidate: list[float | None], baseline: list[float | None]) -> Figures:
    pairs = [
        [(ours, theirs)]
        for ours, theirs in zip(candidate, baseline, strict=True)
        if ours is not None and theirs is not None
    ]
    level = expanded_level(len(pairs)) if len(pairs) > 1 else None
    return asdict(score_difference(pairs)) | {"bootstrap_level": level}


FIGURES: dict[str, Callable[..., Figures]] = {
    "wilson": _wilson,
    "share_clustered": _share_clustered,
    "paired": _paired,
    "sign_flip": lambda case_sums: {"p_value": sign_flip(case_sums)},
    "paired_repeats": _paired_repeats,
    "holm": lambda p: {"p_adjusted": holm(p)},
    "verdict": _verdict,
    "labels_needed": _labels_needed,
    "unpaired": _unpaired,
    "cell_label": _cell_label,
    "preference": _preference,
    "bradley_terry": _bradley_terry,
    "position_bias_people": lambda **given: asdict(position_bias_people(**given)),
    "position_bias_judge": lambda **given: asdict(position_bias_judge(**given)),
    "pass_k": lambda cases, k: asdict(pass_k([tuple(case) for case in cases], k)),
    "flicker": lambda cases: asdict(flicker(cases)),
    "agreement": _agreement,
    "krippendorff_alpha": lambda level, items: {"alpha": krippendorff_alpha(items, level)},
    "judge_vs_people": lambda **given: asdict(judge_rates(**given)),
    "rogan_gladen": lambda **given: asdict(rogan_gladen(**given)),
    "judge_corrected_share": _corrected_share,
    "judge_corrected_difference": _corrected_difference,
    "retrieval": lambda ranking, qrels, k: asdict(retrieval(ranking, qrels, k)),
    "cost_per_good": _cost_per_good,
    "p_anytime": lambda only_candidate, only_baseline: {
        "p_anytime": p_anytime(only_candidate, only_baseline)
    },
    "score_difference": _score_difference,
    "bootstrap_level": lambda cases: {"level": expanded_level(cases) if cases > 1 else None},
    "plan_shows": lambda pairs, discordance: {"difference": plan_shows(pairs, discordance)},
    "latency": lambda latency_ms: asdict(latency(latency_ms)),
}


def assert_equal(found: Any, expected: Any, tol: float, where: str) -> None:
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in found, f"{where}: no figure {key}"
            assert_equal(found[key], value, tol, f"{where}.{key}")
    elif isinstance(expected, list):
        assert found is not None, where
        assert len(found) == len(expected), where
        for i, value in enumerate(expected):
            assert_equal(found[i], value, tol, f"{where}[{i}]")
    elif expected is None or isinstance(expected, str | bool):
        assert found == expected, f"{where}: {found!r}, not {expected!r}"
    else:
        assert found is not None, f"{where}: None, not {expected!r}"
        assert math.isclose(float(found), expected, rel_tol=0, abs_tol=tol), (
            f"{where}: {found!r}, not {expected!r}"
        )


def run_vector(vector: Figures) -> None:
    assert vector["figure"] in FIGURES, f"unknown figure {vector['figure']}"
    found = FIGURES[vector["figure"]](**vector["input"])
    expected = vector["expected"]
    if vector["figure"] == "score_difference" and found["n_cases"] <= 13:
        # only the interval is drawn; up to 13 cases the test is exact
        exact = {key: value for key, value in expected.items() if key != "difference_ci95"}
        assert_equal(found, exact, 1e-5, vector["id"])
    assert_equal(found, expected, vector["tol"], vector["id"])


VECTORS = load(Path(os.environ.get("STATISTICS_VECTORS", OWN)))


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_vector(vector: Figures) -> None:
    run_vector(vector)


def test_an_unknown_figure_fails() -> None:
    with pytest.raises(AssertionError, match="unknown figure"):
        run_vector({"id": "x", "figure": "astrology", "input": {}, "expected": {}, "tol": 1})


@pytest.mark.parametrize("vector", load(OWN), ids=[vector["id"] for vector in load(OWN)])
def test_a_vector_with_a_wrong_number_fails(vector: Figures) -> None:
    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoil(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [spoil(inner) for inner in value]
        if isinstance(value, str) or value is None:
            return "something else"
        return value + 3 * vector["tol"]

    with pytest.raises((AssertionError, TypeError, ValueError)):
        run_vector(vector | {"expected": spoil(vector["expected"])})


def test_both_forms_of_a_file_are_read(tmp_path: Path) -> None:
    as_list = tmp_path / "vectors.json"
    as_list.write_text(json.dumps(load(OWN)), "utf-8")
    assert load(as_list) == load(OWN)
