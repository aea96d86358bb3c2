"""Apps that are arms of runs, answered in the process that works on a run."""

from typing import TYPE_CHECKING

from connectors.wire import Connector, Target
from core.database import Database

if TYPE_CHECKING:
    from connectors.connections import Apps, Connections


def answer_apps(database: Database, connections: "Connections") -> "Apps":
    """Loads what answers apps with the first one: most runs have none."""
    made: Apps | None = None

    def connector(target: Target) -> Connector:
        nonlocal made
        if made is None:
            from serving import as_model

            made = as_model.answer_apps(database, connections)
        return made(target)

    return connector
