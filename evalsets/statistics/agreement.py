"""How far annotators agree: percent, Cohen, Fleiss, Krippendorff."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from evalsets.statistics.alpha_bootstrap import alpha_percentiles
from evalsets.statistics.quantiles import Interval

Level = Literal["nominal", "ordinal", "interval"]
Rating = str | float | None
"""A label, a rubric point or a score; None is missing (a skip, or not asked)."""

LITTLE_AGREEMENT = 0.667
BOOTSTRAPS = 2_000
FEWEST_ITEMS = 20
FEWEST_RARE = 5


@dataclass(frozen=True)
class Agreement:
    """`items`: cells with two or more labels. `all_equal`: one category only, so no kappa."""

    annotators: tuple[str, ...]
    items: int
    percent_agreement: float | None
    cohen_kappa: dict[str, float | None]
    fleiss_kappa: float | None
    krippendorff_alpha: float | None
    alpha_ci95: Interval | None
    all_equal: bool


def agreement(
    annotators: Sequence[str], ratings: Sequence[Sequence[Rating]], level: Level = "nominal"
) -> Agreement:
    """`ratings`: a row an item, a column an annotator.

    `level`: nominal for labels and preferences, ordinal for rubrics, interval for 0–1 scores.
    """
    items = [row for row in ratings if sum(rating is not None for rating in row) >= 2]
    return Agreement(
        annotators=tuple(annotators),
        items=len(items),
        percent_agreement=_percent(items),
        cohen_kappa=_cohen_of_pairs(annotators, items),
        fleiss_kappa=_fleiss(items),
        krippendorff_alpha=krippendorff_alpha(items, level),
        alpha_ci95=_alpha_interval(items, level),
        all_equal=bool(items) and len(_categories(items)) == 1,
    )


def _present(row: Sequence[Rating]) -> list[str | float]:
    return [rating for rating in row if rating is not None]


def _categories(items: Sequence[Sequence[Rating]]) -> list[str | float]:
    return sorted({rating for row in items for rating in _present(row)})  # pyright: ignore


def _percent(items: Sequence[Sequence[Rating]]) -> float | None:
    if not items:
        return None
    shares: list[float] = []
    for row in items:
        pairs = list(combinations(_present(row), 2))
        shares.append(sum(one == other for one, other in pairs) / len(pairs))
    return sum(shares) / len(shares)


def cohen_kappa(table: Sequence[Sequence[int]]) -> float | None:
    """Of a square table of two raters; None when both used one and the same category only."""
    n = sum(map(sum, table))
    by_chance = sum(
        sum(row) * sum(column) for row, column in zip(table, zip(*table, strict=True), strict=True)
    )
    if n == 0 or by_chance == n * n:
        return None
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    return float(cohens_kappa(np.asarray(table), return_results=False))  # pyright: ignore


def _cohen_of_pairs(
    annotators: Sequence[str], items: Sequence[Sequence[Rating]]
) -> dict[str, float | None]:
    categories = _categories(items)
    found: dict[str, float | None] = {}
    for one, other in combinations(range(len(annotators)), 2):
        table = [[0] * len(categories) for _ in categories]
        for row in items:
            ours, theirs = row[one], row[other]
            if ours is not None and theirs is not None:
                table[categories.index(ours)][categories.index(theirs)] += 1
        found[f"{annotators[one]}|{annotators[other]}"] = cohen_kappa(table)
    return found


def _fleiss(items: Sequence[Sequence[Rating]]) -> float | None:
    """None where items have different numbers of labels, or all labels are one."""
    categories = _categories(items)
    if len({len(_present(row)) for row in items}) != 1 or len(categories) < 2:
        return None
    import numpy as np
    from statsmodels.stats.inter_rater import fleiss_kappa

    table = [[_present(row).count(category) for category in categories] for row in items]
    return float(fleiss_kappa(np.asarray(table)))


def krippendorff_alpha(ratings: Sequence[Sequence[Rating]], level: Level) -> float | None:
    """Krippendorff's alpha of items × raters; None with a single category or no pair."""
    items = [row for row in ratings if len(_present(row)) >= 2]
    categories = _categories(items)
    if len(categories) < 2:
        return None
    import krippendorff
    import numpy as np

    def number(rating: Rating) -> float:
        if rating is None:
            return np.nan
        return float(categories.index(rating)) if level == "nominal" else float(rating)

    data = np.array([[number(rating) for rating in row] for row in items]).T
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement=level))


def _alpha_interval(items: Sequence[Sequence[Rating]], level: Level) -> Interval | None:
    """Percentiles over bootstraps of items; None where they would cover far below 95 %."""
    categories = _categories(items)
    if len(items) < FEWEST_ITEMS or len(categories) < 2:
        return None
    labels = [rating for row in items for rating in _present(row)]
    commonest = max(categories, key=labels.count)
    rare = sum(any(rating != commonest for rating in _present(row)) for row in items)
    if rare < FEWEST_RARE:
        return None
    counts = [[_present(row).count(category) for category in categories] for row in items]
    positions = None if level == "nominal" else [float(category) for category in categories]
    return alpha_percentiles(counts, positions, level == "ordinal", BOOTSTRAPS)
