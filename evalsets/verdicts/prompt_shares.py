"""What the last labeled run of each prompt said: share of good with its interval."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import tuple_
from sqlmodel import Session, col, select

from evalsets.labels.state import states_of_runs
from evalsets.models import Case, Cell, Label, Run
from evalsets.statistics.cells import State
from evalsets.statistics.quantiles import Interval
from evalsets.statistics.shares import share_of_good

_LOOK_BACK = 200
"""Labeled runs that are looked through, the newest first."""


class PromptShare(NamedTuple):
    """An arm of a prompt in its newest labeled run; `n` are its good and bad outputs."""

    run_id: str
    arm: str
    version: int
    share: float
    ci95: Interval | None
    n: int


class _Place(NamedTuple):
    run_id: str
    arm: int


def shares_of_prompts(session: Session, names: Iterable[str]) -> dict[str, PromptShare]:
    """The newest labeled run of every prompt that has one, in three queries for all.

    Of several arms of the prompt the newest version counts, then the better one
    (STATISTICS 2 has the interval).
    """
    arms = _arms(session, set(names))
    said = _labels(session, [place for places in arms.values() for place in places])
    found: dict[str, PromptShare] = {}
    for name, places in arms.items():
        shares = [_share(place, *arm, said.get(place, {})) for place, arm in places.items()]
        known = [share for share in shares if share is not None]
        newest = max((share.run_id for share in known), default=None)
        best = [share for share in known if share.run_id == newest]
        if best:
            found[name] = max(best, key=lambda share: (share.version, share.share))
    return found


def _arms(session: Session, names: set[str]) -> dict[str, dict[_Place, tuple[str, int]]]:
    """By prompt: its arms in the newest labeled runs, with their names and versions."""
    labeled = select(Label.item_key).where(col(Label.label).is_not(None))
    runs = select(Cell.run_id).where(col(Cell.item_key).in_(labeled)).distinct()
    query = select(Run.id, Run.manifest).where(col(Run.id).in_(runs))
    found: dict[str, dict[_Place, tuple[str, int]]] = {}
    for run_id, manifest in session.exec(query.order_by(col(Run.id).desc()).limit(_LOOK_BACK)):
        for name, arms in _by_prompt(run_id, manifest).items():
            if name in names and name not in found:
                found[name] = arms
    return found


def _by_prompt(
    run_id: str, manifest: Mapping[str, Any]
) -> dict[str, dict[_Place, tuple[str, int]]]:
    found: dict[str, dict[_Place, tuple[str, int]]] = {}
    for number, arm in enumerate(manifest["arms"]):
        prompt = arm.get("prompt")
        if prompt:
            place = _Place(run_id, number)
            found.setdefault(prompt["name"], {})[place] = (arm["name"], prompt["version"])
    return found


def _labels(session: Session, places: Sequence[_Place]) -> dict[_Place, dict[str, list[float]]]:
    """By arm and case: 1 for each good output and 0 for each bad one."""
    if not places:
        return {}
    states = states_of_runs(session, {place.run_id for place in places})
    query = select(Cell.run_id, Cell.arm, Case.inputs_hash, Cell.item_key).join(
        Case, col(Case.id) == Cell.case_ref
    )
    wanted = tuple_(col(Cell.run_id), col(Cell.arm)).in_([tuple(place) for place in places])
    query = query.where(wanted, Cell.state == "succeeded")
    found: dict[_Place, dict[str, list[float]]] = {}
    labeled = col(Cell.item_key).in_(select(Label.item_key))
    for run_id, arm, case, item in session.exec(query.where(labeled)):
        state = states.get(item or "")
        if state in (State.GOOD, State.BAD):
            cases = found.setdefault(_Place(run_id, arm), {})
            cases.setdefault(case, []).append(float(state is State.GOOD))
    return found


def _share(
    place: _Place, arm: str, version: int, cases: Mapping[str, list[float]]
) -> PromptShare | None:
    found = share_of_good(list(cases.values()))
    if found.share is None:
        return None
    n = sum(map(len, cases.values()))
    return PromptShare(place.run_id, arm, version, found.share, found.ci95, n)
