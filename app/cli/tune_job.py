"""The training that a command names."""

from typing import TYPE_CHECKING

from app.cli import state

if TYPE_CHECKING:
    from tuning.jobs import JobPublic


def job_named(name: str) -> "JobPublic":
    """As it is now. Raises NotFound."""
    from tuning.jobs import get

    with state.reading() as session:
        return get(session, state.settings().data, name)
