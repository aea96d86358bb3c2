"""CPU seconds of a piece of work, told apart from what else the process and machine are doing."""

import gc
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of `work`, without the garbage of anybody."""
    gc.disable()
    try:
        begun = time.process_time()
        work()
        return time.process_time() - begun
    finally:
        gc.enable()


def assert_linear(small: Callable[[], object], large: Callable[[], object]) -> float:
    """`large` is `small` with four times the input: a quadratic step would take 16 times as long.

    Shared cores slow a single measurement down, never every one of five. Returns the seconds of
    `large` in the attempt that passed.
    """
    tried: list[tuple[float, float]] = []
    for _ in range(5):
        short, long = seconds(small), seconds(large)
        tried.append((short, long))
        if long < 9 * short + 0.3:
            return long
    raise AssertionError(f"CPU seconds of the input and of four times the input: {tried}")
