"""Who is put where, and who waits: first come, first served, and never where it does not fit. Pure.

Whoever waits keeps later ones away from the places that it could take, so that a large one is not
passed by for ever.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.backends.gpus import CPU, Place

HEADROOM = 0.97
"""Of a place's memory: drivers and allocators keep a little for themselves."""
_GIB = 1 << 30


class Ask(NamedTuple):
    """Somebody who wants memory: `need` bytes on a GPU (of a kind whose name has `gpu`) or CPU."""

    name: str
    need: int
    since: datetime
    on_gpu: bool = False
    gpu: str | None = None


class Held(NamedTuple):
    """Memory that one of ours has; until it is `resident`, the driver counts it as free."""

    place: str
    need: int
    resident: bool


class Placed(NamedTuple):
    """Start it there."""

    place: Place


class Waiting(NamedTuple):
    """Not yet; `position` counts from 1."""

    position: int


class TooLarge(NamedTuple):
    """No place of this machine will ever do; `why` ends with the remedy."""

    why: str


Decision = Placed | Waiting | TooLarge


def assign(
    asks: Sequence[Ask], places: Sequence[Place], held: Sequence[Held]
) -> dict[str, Decision]:
    """A decision for each ask."""
    taken = list(held)
    blocked: set[str] = set()
    waiting = 0
    found: dict[str, Decision] = {}
    for ask in sorted(asks, key=lambda one: (one.since, one.name)):
        kind = [place for place in places if suits(ask, place)]
        large = [place for place in kind if place.total * HEADROOM >= ask.need]
        if not large:
            found[ask.name] = TooLarge(_too_large(ask, kind))
            continue
        rooms = {p: usable(p, taken) for p in large if p.id not in blocked}
        fitting = [place for place, room in rooms.items() if room >= ask.need]
        if fitting:
            best = min(fitting, key=lambda place: rooms[place])
            taken.append(Held(best.id, ask.need, resident=False))
            found[ask.name] = Placed(best)
        else:
            waiting += 1
            blocked |= {place.id for place in large}
            found[ask.name] = Waiting(waiting)
    return found


def promised(asks: Sequence[Ask], decisions: Mapping[str, Decision]) -> list[Held]:
    """What those who were placed hold from now on."""
    found: list[Held] = []
    for ask in asks:
        decision = decisions[ask.name]
        if isinstance(decision, Placed):
            found.append(Held(decision.place.id, ask.need, resident=False))
    return found


def usable(place: Place, held: Sequence[Held]) -> int:
    """Bytes that may still be promised there: neither promised to ours nor taken by others."""
    ours = [one for one in held if one.place == place.id]
    promised = sum(one.need for one in ours)
    coming = sum(one.need for one in ours if not one.resident)
    return max(0, min(int(place.total * HEADROOM) - promised, place.free - coming))


def suits(ask: Ask, place: Place) -> bool:
    """Whether it is of the kind that is asked for, whatever its memory."""
    if not ask.on_gpu:
        return place.id == CPU
    return place.id != CPU and (ask.gpu or "").lower() in place.name.lower()


def _too_large(ask: Ask, places: Sequence[Place]) -> str:
    need = f"{ask.need / _GIB:.1f} GiB"
    if not places:
        kind = f"no GPU whose name has {ask.gpu!r}" if ask.gpu else "no GPU"
        return f"It needs {need} on a GPU, and there is {kind} here. Choose another kind."
    most = max(place.total for place in places) / _GIB
    return (
        f"It needs {need}, and the largest place here has {most:.1f} GiB. Lower the context or "
        "the concurrency, or choose a smaller model."
    )
