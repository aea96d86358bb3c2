"""Where a training lies: it waits until its memory is free beside what backends hold."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.backends.gpus import CPU, Place
from connectors.backends.holdings import Holding, placing
from connectors.backends.queue import Ask, Held, Placed, TooLarge, assign
from tuning.manifest import Manifest

_GIB = 1 << 30


class Room(NamedTuple):
    """Places that were given, on GPUs or none of them; `holding` is to be ended by who has it."""

    places: tuple[Place, ...]
    holding: Holding
    need: int

    @property
    def visible(self) -> str | None:
        """CUDA_VISIBLE_DEVICES: the GPUs by their ids; None on a CPU."""
        found = [place.id for place in self.places if place.id != CPU]
        return ",".join(found) if found else None

    def is_resident(self) -> None:
        """From now on the driver counts what is used there."""
        self.holding.tell([Held(place.id, self.need, resident=True) for place in self.places])


class NoRoom(NamedTuple):
    """Why it cannot be placed: `ever` says that waiting would not help."""

    why: str
    ever: bool


def find_room(
    data: Path, job_id: str, manifest: Manifest, since: datetime, places: Sequence[Place]
) -> Room | NoRoom:
    """As many places as are asked for, each with the memory; held from now on."""
    holding = Holding(data, f"tuning-{job_id}")
    left, found = list(places), list[Place]()
    on_gpu = any(place.id != CPU for place in places)
    wanted = manifest.gpus if on_gpu else 1
    ask = Ask(job_id, manifest.memory, since, on_gpu, manifest.gpu if on_gpu else None)
    with placing(data):
        held = holding.others()
        while len(found) < wanted:
            decision = assign([ask], left, held)[job_id]
            if isinstance(decision, TooLarge):
                return NoRoom(_too_many(manifest, found) or decision.why, ever=True)
            if not isinstance(decision, Placed):
                return NoRoom(_waits(manifest, wanted), ever=False)
            found.append(decision.place)
            left.remove(decision.place)
        holding.tell([Held(place.id, manifest.memory, resident=False) for place in found])
    return Room(tuple(found), holding, manifest.memory)


def _waits(manifest: Manifest, wanted: int) -> str:
    where = "of memory" if wanted == 1 else f"of memory on each of {wanted} GPUs"
    return (
        f"It waits for {manifest.memory / _GIB:.1f} GiB {where}. Stop a backend, or wait until "
        "something ends."
    )


def _too_many(manifest: Manifest, found: Sequence[Place]) -> str | None:
    if not found:
        return None
    return (
        f"It asks for {manifest.gpus} GPUs, and {len(found)} of this machine will do. Start it "
        "anew with fewer."
    )
