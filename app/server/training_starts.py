"""Trainings that this process is about to start, so that a page need not wait for the checks.

Base and rows are read before a job is queued; one that a restart ends was never started.
"""

from dataclasses import dataclass

from app.server.works import Work, Works
from core.database import Database
from prompts.chat_template import check_chat_template
from tuning.service import TuneRequest, start


@dataclass(kw_only=True)
class TrainingStart(Work):
    """What a person asked for, until it is queued or refused."""

    name: str


_starts = Works[str, TrainingStart]("The start broke off ({}). Start it again.")
find = _starts.find
"""The start that a person (the actor) waits for."""
forget = _starts.forget
"""It was queued or refused, and the person has seen it."""


def begin(database: Database, actor: str, request: TuneRequest) -> TrainingStart:
    """Check and queue in a thread; while one is under way, another press begins nothing."""

    def work(_: TrainingStart) -> None:
        start(database, actor, request, check_chat_template)

    return _starts.begin(actor, TrainingStart(name=request.name), work)
