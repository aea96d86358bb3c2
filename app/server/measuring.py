"""Measurements of searches that this process works on, so that a page need not wait for them.

They read only and take minutes at most: one that a restart ends is started again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.clock import new_id
from core.errors import PromptstoneError
from evalsets.retrieval import Judged, Measured, measure
from rag.search_settings import SearchSettings
from rag.searching import Searcher

_KEPT = 20


class _Cancelled(Exception):
    """Somebody asked to stop."""


@dataclass
class Measurement:
    """Settings by name, measured one after the other on the same queries."""

    kb: str
    settings: Mapping[str, SearchSettings]
    id: str = field(default_factory=new_id)
    state: str = "queued"
    done: int = 0
    total: int = 0
    unknown: int = 0
    error: str | None = None
    results: dict[str, Measured] = field(default_factory=dict[str, Measured])
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def lives(self) -> bool:
        return self.state in ("queued", "running")


_known: OrderedDict[str, Measurement] = OrderedDict()
_known_lock = threading.Lock()
_turn = threading.Lock()  # latency means nothing while another measurement runs


def start(
    searcher: Searcher,
    kb: str,
    settings: Mapping[str, SearchSettings],
    judge: Callable[[], Judged],
) -> Measurement:
    """Begin in a thread; `judge` reads the test set there and may raise PromptstoneError."""
    made = Measurement(kb, settings)
    with _known_lock:
        _known[made.id] = made
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    work = threading.Thread(target=_work, args=(made, searcher, judge), daemon=True)
    work.start()
    return made


def find(measurement_id: str, kb: str) -> Measurement | None:
    """A measurement of this process and this base."""
    with _known_lock:
        found = _known.get(measurement_id)
    return found if found is not None and found.kb == kb else None


def _work(made: Measurement, searcher: Searcher, judge: Callable[[], Judged]) -> None:
    try:
        with _turn:
            _measure(made, searcher, judge())
        made.state = "completed"
    except _Cancelled:
        made.state = "cancelled"
    except PromptstoneError as error:
        made.error, made.state = error.message, "failed"
    except Exception as error:
        made.error = f"It broke off ({type(error).__name__}: {error}). Measure again."
        made.state = "failed"


def _measure(made: Measurement, searcher: Searcher, judged: Judged) -> None:
    made.unknown = judged.unknown
    made.total = sum(1 for query in judged.queries if query in judged.qrels) * len(made.settings)
    made.state = "running"
    before = 0

    def told(number: int) -> None:
        made.done = before + number
        if made.cancelled.is_set():
            raise _Cancelled

    for name, one in made.settings.items():
        made.results[name] = measure(searcher, made.kb, judged, one, told=told)
        before = made.done
