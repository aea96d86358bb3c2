"""Whether somebody takes queued runs."""

from core.database import Database
from core.locks import holder_note


def worker_alive(database: Database) -> bool:
    """Whether the data folder has a live worker."""
    return holder_note(database.settings.data / "worker.lock") is not None
