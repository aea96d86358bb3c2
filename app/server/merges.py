"""Merges that this process works on, so that a page need not wait; what they left stays on disk."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from core.database import Database
from core.errors import PromptstoneError
from tuning import merged
from tuning.jobs import JobPublic
from tuning.merging import merge


@dataclass
class Merge:
    """One job's; `said` is its newest word, `folder` the full weights when it is done."""

    said: str = ""
    folder: Path | None = None
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def lives(self) -> bool:
        return not self.done.is_set()

    def say(self, text: str) -> None:
        self.said = text


_known: dict[str, Merge] = {}
_lock = threading.Lock()


def refusal(job: JobPublic) -> str | None:
    """Why it cannot be merged at all."""
    return merged.refusal(job.manifest.method, job.manifest.adapter)


def find(job_id: str) -> Merge | None:
    """The newest merge of a job in this process."""
    with _lock:
        return _known.get(job_id)


def begin(database: Database, job: JobPublic) -> Merge:
    """Merge in a thread; one that is under way is not begun again."""
    made = Merge()
    with _lock:
        known = _known.get(job.id)
        if known is not None and known.lives:
            return known
        _known[job.id] = made
    threading.Thread(target=_work, args=(made, database, job), daemon=True).start()
    return made


def _work(made: Merge, database: Database, job: JobPublic) -> None:
    try:
        made.folder = merge(database.settings.data, job, made.say)
    except PromptstoneError as error:
        made.error = error.message
    except Exception as error:
        made.error = f"The merge broke off ({type(error).__name__}: {error}). Merge again."
    finally:
        made.done.set()
