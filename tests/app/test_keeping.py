"""What takes long to read is read less often, and never mixed up."""

import time

from app.workspace.components import keeping


def test_a_value_is_kept_for_fifty_times_as_long_as_it_took(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    reads: list[float] = []

    def read(seconds: float) -> int:
        clock[0] += seconds
        reads.append(clock[0])
        return len(reads)

    assert keeping.kept("slow", lambda: read(0.5)) == 1
    assert keeping.kept("quick", lambda: read(0.001)) == 2
    clock[0] += 3.9
    assert keeping.kept("quick", lambda: read(0.001)) == 2
    clock[0] += 0.2
    assert keeping.kept("quick", lambda: read(0.001)) == 3
    clock[0] += 19
    assert keeping.kept("slow", lambda: read(0.5)) == 1
    clock[0] += 3
    assert keeping.kept("slow", lambda: read(0.5)) == 4


def test_few_values_are_kept():
    for number in range(500):
        keeping.kept(("many", number), lambda: 0)
    assert len(keeping._kept) <= 64
