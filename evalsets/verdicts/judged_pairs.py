"""What a pairwise judge says of the arms: both orders together, apart from people's preferences."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session

from evalsets.evaluators.pairwise import TURNED, Pairwise
from evalsets.runs.cells import RunCells
from evalsets.runs.judged_pairs import base_arm
from evalsets.runs.manifest import Manifest
from evalsets.statistics.cells import CellKey
from evalsets.statistics.preference import (
    PositionOfJudge,
    Preferred,
    judged_in_both_orders,
    position_bias_judge,
)
from evalsets.verdicts.by_preference import Duel, RankedByPreference, rank_duels
from evalsets.verdicts.scored_arms import scores_of


@dataclass(frozen=True)
class JudgedPairs:
    """`position`: how often the judge stayed with a place; `unscored`: pairs without two words."""

    ranking: RankedByPreference
    position: PositionOfJudge
    unscored: int
    scores: Mapping[int, tuple[float | None, float | None]]


def settings_of(cells: RunCells, evaluator: str) -> Pairwise | None:
    """The pairwise judge of that name, under either of its two; None for other evaluators."""
    for one in cells.run.manifest["evaluators"]:
        if one["name"] == evaluator and one.get("spec", {}).get("kind") == "pairwise":
            return Pairwise.model_validate(one["spec"])
    return None


def judged_pairs(
    session: Session, cells: RunCells, evaluator: str, baseline: str, resolution: float
) -> JudgedPairs:
    """By the scores of both orders; the same arm twice is that arm, anything else a tie."""
    settings = settings_of(cells, evaluator)
    assert settings is not None
    base = base_arm(Manifest.model_validate(cells.run.manifest), settings)
    name = evaluator.removesuffix(TURNED) if settings.turned else evaluator
    first = scores_of(session, cells.run.id, name)
    second = scores_of(session, cells.run.id, name + TURNED)
    duels: dict[Duel, Preferred] = {}
    both = {n: (first.get(n), second.get(n)) for n in first.keys() | second.keys()}
    stayed = {"first": 0, "second": 0}
    for row in cells.rows:
        one, other = both.get(row.number, (None, None))
        if one is None or other is None:
            continue
        said = judged_in_both_orders(_preferred(one), _preferred(other))
        duels[_duel(row.arm, base, row.key)] = said if row.arm < base else _TURNED[said]
        if {one, other} == {0.0, 1.0}:  # in the first order the cell's own arm stands first
            stayed["first" if one == 1.0 else "second"] += 1
    consistent = len(duels) - sum(stayed.values())
    return JudgedPairs(
        ranking=rank_duels(cells, duels, baseline, resolution),
        position=position_bias_judge(stayed["first"], stayed["second"], consistent),
        unscored=len(both) - len(duels),
        scores=both,
    )


_TURNED = {
    Preferred.CANDIDATE: Preferred.BASELINE,
    Preferred.BASELINE: Preferred.CANDIDATE,
    Preferred.TIE: Preferred.TIE,
}


def _preferred(score: float) -> Preferred:
    if score == 0.5:
        return Preferred.TIE
    return Preferred.CANDIDATE if score > 0.5 else Preferred.BASELINE


def _duel(arm: int, base: int, key: CellKey) -> Duel:
    return Duel(min(arm, base), max(arm, base), key)
