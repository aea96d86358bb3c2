"""Merges that this process works on, so that a page need not wait; what they left stays on disk."""

from dataclasses import dataclass
from pathlib import Path

from app.server.works import Work, Works
from core.database import Database
from tuning import merged
from tuning.jobs import JobPublic
from tuning.merging import merge


@dataclass(kw_only=True)
class Merge(Work):
    """One job's; `said` is its newest word, `folder` the full weights when it is done."""

    said: str = ""
    folder: Path | None = None

    def say(self, text: str) -> None:
        self.said = text


_merges = Works[str, Merge]("The merge broke off ({}). Merge again.")
find = _merges.find
"""The newest merge of a job, by its id, in this process."""


def refusal(job: JobPublic) -> str | None:
    """Why it cannot be merged at all."""
    return merged.refusal(job.manifest.method, job.manifest.adapter)


def begin(database: Database, job: JobPublic) -> Merge:
    """Merge in a thread; one that is under way is not begun again."""

    def work(made: Merge) -> None:
        made.folder = merge(database.settings.data, job, made.say)

    return _merges.begin(job.id, Merge(), work)
