"""One embedder's process for all tests of a file's process."""

from collections.abc import Iterator

import pytest

from rag.embedders import Embedder
from tests.support.bases import packaged


@pytest.fixture(scope="session")
def embedder() -> Iterator[Embedder]:
    """The packaged MiniLM."""
    found = packaged()
    yield found
    found.close()
