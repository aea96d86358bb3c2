"""Trainings that this process is about to start, so that a page need not wait for the checks.

Base and rows are read before a job is queued; one that a restart ends was never started.
"""

import threading
from dataclasses import dataclass, field

from core.database import Database
from core.errors import PromptstoneError
from prompts.chat_template import check_chat_template
from tuning.service import TuneRequest, start


@dataclass
class TrainingStart:
    """What a person asked for, until it is queued or refused."""

    name: str
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def lives(self) -> bool:
        return not self.done.is_set()


_known: dict[str, TrainingStart] = {}
_lock = threading.Lock()


def find(actor: str) -> TrainingStart | None:
    """The start that a person waits for."""
    with _lock:
        return _known.get(actor)


def forget(actor: str) -> None:
    """It was queued or refused, and the person has seen it."""
    with _lock:
        _known.pop(actor, None)


def begin(database: Database, actor: str, request: TuneRequest) -> TrainingStart:
    """Check and queue in a thread; while one is under way, another press begins nothing."""
    made = TrainingStart(request.name)
    with _lock:
        known = _known.get(actor)
        if known is not None and known.lives:
            return known
        _known[actor] = made
    threading.Thread(target=_work, args=(made, database, actor, request), daemon=True).start()
    return made


def _work(made: TrainingStart, database: Database, actor: str, request: TuneRequest) -> None:
    try:
        start(database, actor, request, check_chat_template)
    except PromptstoneError as error:
        made.error = error.message
    except Exception as error:
        made.error = f"The start broke off ({type(error).__name__}: {error}). Start it again."
    finally:
        made.done.set()
