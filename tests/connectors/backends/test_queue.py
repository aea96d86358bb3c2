"""Who is put where: simulated, because no machine has these GPUs."""

from datetime import UTC, datetime, timedelta

from connectors.backends.gpus import Place
from connectors.backends.queue import Ask, Held, Placed, TooLarge, Waiting, assign, usable

GIB = 1 << 30
AT = datetime(2026, 1, 1, tzinfo=UTC)
BIG = Place("GPU-a", "NVIDIA H200", 140 * GIB, 139 * GIB)
SMALL = Place("GPU-b", "NVIDIA L4", 24 * GIB, 23 * GIB)
CPU = Place("cpu", "CPU", 64 * GIB, 60 * GIB)
PLACES = [BIG, SMALL, CPU]


def ask(
    name: str, need: float, minute: int = 0, gpu: str | None = None, on_gpu: bool = True
) -> Ask:
    return Ask(name, int(need * GIB), AT + timedelta(minutes=minute), on_gpu, gpu)


def test_the_smallest_place_that_fits() -> None:
    found = assign([ask("a", 10), ask("b", 30, 1), ask("c", 10, 2, on_gpu=False)], PLACES, [])
    assert found == {"a": Placed(SMALL), "b": Placed(BIG), "c": Placed(CPU)}


def test_a_kind_that_is_asked_for_is_kept() -> None:
    found = assign([ask("a", 10, gpu="h200"), ask("b", 30, gpu="L4"), ask("c", 1, gpu="B300")],
                   PLACES, [])  # fmt: skip
    assert found["a"] == Placed(BIG)
    assert "24.0 GiB" in found["b"].why
    assert "B300" in found["c"].why


def test_what_never_fits_is_told_and_blocks_nobody() -> None:
    found = assign([ask("a", 500), ask("b", 10, 1)], PLACES, [])
    assert isinstance(found["a"], TooLarge)
    assert found["b"] == Placed(SMALL)


def test_first_come_first_served_and_a_large_one_is_not_passed_by() -> None:
    held = [Held("GPU-a", 100 * GIB, True), Held("GPU-b", 20 * GIB, True)]
    places = [BIG._replace(free=39 * GIB), SMALL._replace(free=3 * GIB), CPU]
    found = assign([ask("late", 20, 2), ask("large", 60, 1), ask("tiny", 2, 3)], places, held)
    assert found == {"large": Waiting(1), "late": Waiting(2), "tiny": Waiting(3)}
    only = assign([ask("late", 20, 2)], places, held)
    assert only == {"late": Placed(places[0])}


def test_memory_is_promised_once() -> None:
    found = assign([ask("a", 80), ask("b", 80, 1)], PLACES, [])
    assert found == {"a": Placed(BIG), "b": Waiting(1)}
    loading = [Held("GPU-a", 80 * GIB, resident=False)]
    assert isinstance(assign([ask("b", 60)], PLACES, loading)["b"], Waiting)
    assert usable(BIG, []) == int(140 * GIB * 0.97)


def test_others_memory_is_not_ours() -> None:
    taken = BIG._replace(free=10 * GIB)
    assert assign([ask("a", 30)], [taken], []) == {"a": Waiting(1)}
