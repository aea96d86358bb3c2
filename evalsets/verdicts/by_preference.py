"""The verdict by preferences: comparisons with the baseline, and Bradley–Terry over all arms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from evalsets.labels.preferences import PreferenceKey, turned
from evalsets.models import Preference
from evalsets.runs.cells import RunCell, RunCells
from evalsets.statistics.bradley_terry import Match, RankedArm, Ranking, rank_by_preference
from evalsets.statistics.cells import CellCounts, CellKey
from evalsets.statistics.comparison import Comparison
from evalsets.statistics.preference import PreferenceFigures, Preferred, majority, prefer
from evalsets.statistics.verdict import ArmShare, decide
from evalsets.statistics.words import look_of


class Duel(NamedTuple):
    """Two arms by position, the earlier first, in one case and repeat."""

    first: int
    second: int
    key: CellKey


@dataclass(frozen=True)
class RankedByPreference:
    """`figures` by candidate; `unconnected` names arms that no comparison joins with the others."""

    arms: tuple[ArmShare, ...]
    comparisons: tuple[Comparison, ...]
    figures: Mapping[str, PreferenceFigures]
    ranked: Mapping[str, RankedArm]
    nu: float | None
    unconnected: tuple[tuple[str, ...], ...]


def compare_preferences(
    cells: RunCells, rows: Mapping[PreferenceKey, Preference], baseline: str, resolution: float
) -> RankedByPreference:
    """`rows` are the preferences that count; the majority of a pair's annotators is its one."""
    return rank_duels(cells, _duels(cells, rows), baseline, resolution)


def rank_duels(
    cells: RunCells, duels: Mapping[Duel, Preferred], baseline: str, resolution: float
) -> RankedByPreference:
    """One preference a duel, "a" being the earlier arm."""
    first = cells.arms.index(baseline)
    figures = {
        name: prefer(_against(duels, arm, first))
        for arm, name in enumerate(cells.arms)
        if arm != first
    }
    named = [
        replace(found.comparison, candidate=name, baseline=baseline)
        for name, found in figures.items()
    ]
    ranking = _ranking(duels, len(cells.arms), first)
    ranked = {cells.arms[one.arm]: one for one in ranking.arms}
    apart = ranking.groups if len(ranking.groups) > 1 else ()
    return RankedByPreference(
        arms=tuple(
            _arm(name, _taken_part(duels, arm), ranked.get(name))
            for arm, name in enumerate(cells.arms)
        ),
        comparisons=tuple(decide(named, look_of(None), resolution)),
        figures=figures,
        ranked=ranked,
        nu=ranking.nu,
        unconnected=tuple(tuple(cells.arms[arm] for arm in group) for group in apart),
    )


def _duels(cells: RunCells, rows: Mapping[PreferenceKey, Preference]) -> dict[Duel, Preferred]:
    """One preference a duel, "a" being the earlier arm, which has the smaller cell number."""
    numbered = {row.number: row for row in cells.rows}
    votes: dict[Duel, list[Preferred]] = {}
    for key, row in rows.items():
        ours: RunCell = numbered[key.first]
        duel = Duel(ours.arm, numbered[key.second].arm, ours.key)
        votes.setdefault(duel, []).append(Preferred(turned(row)))
    return {duel: majority(found) for duel, found in votes.items()}


_TURNED = {
    Preferred.CANDIDATE: Preferred.BASELINE,
    Preferred.BASELINE: Preferred.CANDIDATE,
    Preferred.TIE: Preferred.TIE,
}


def _against(
    duels: Mapping[Duel, Preferred], candidate: int, baseline: int
) -> dict[CellKey, Preferred]:
    found: dict[CellKey, Preferred] = {}
    for duel, preferred in duels.items():
        if (duel.first, duel.second) == (candidate, baseline):
            found[duel.key] = preferred
        elif (duel.first, duel.second) == (baseline, candidate):
            found[duel.key] = _TURNED[preferred]
    return found


def _ranking(duels: Mapping[Duel, Preferred], arms: int, baseline: int) -> Ranking:
    cases: dict[str, list[Match]] = {}
    for duel, preferred in duels.items():
        cases.setdefault(duel.key.case, []).append(Match(duel.first, duel.second, preferred))
    if not cases:
        return Ranking((), None, tuple((arm,) for arm in range(arms)))
    # a seeded bootstrap of cases: their order must not depend on that of the rows
    return rank_by_preference([cases[case] for case in sorted(cases)], arms, baseline)


def _taken_part(duels: Mapping[Duel, Preferred], arm: int) -> list[CellKey]:
    return [duel.key for duel in duels if arm in (duel.first, duel.second)]


def _arm(name: str, keys: list[CellKey], ranked: RankedArm | None) -> ArmShare:
    """`share` is the expected win share against the baseline."""
    return ArmShare(
        arm=name,
        n=len(keys),
        good=None,
        share=ranked.win_share if ranked else None,
        ci95=ranked.win_share_ci95 if ranked else None,
        n_cases=len({key.case for key in keys}),
        counts=CellCounts(),
        rank=ranked.rank if ranked else None,
    )
