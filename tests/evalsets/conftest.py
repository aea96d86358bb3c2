"""A model's server for the tests of runs."""

from collections.abc import Iterator

import pytest

from tests.support.witness import Witness, witness


@pytest.fixture(scope="module")
def server() -> Iterator[Witness]:
    """The witness, one a module."""
    with witness() as running:
        yield running


@pytest.fixture
def w(server: Witness) -> Witness:
    """The witness without what it heard before."""
    server.reset()
    return server
