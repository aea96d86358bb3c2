"""A served workspace for the tests of its pages."""

from collections.abc import Iterator

import pytest

from app.server.context import Context
from core.database import Database
from tests.support.pages import served


@pytest.fixture
def workspace(sqlite_db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """The context of a process that serves pages over a fresh database."""
    with served(sqlite_db, monkeypatch) as context:
        yield context
