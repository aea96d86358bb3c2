"""What the acceptance tests drive: commands in a fresh data folder, and a provider that counts."""

from collections.abc import Iterator

import pytest

from tests.support.forked import Forking
from tests.support.shell import Shell
from tests.support.witness import Witness, witness


@pytest.fixture(scope="session")
def provider() -> Iterator[Witness]:
    with witness() as found:
        yield found


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory, forking: Forking, provider: Witness) -> Shell:
    """One folder for all, with a priced and an unpriced model, `ask` and ten cases."""
    found = Shell(tmp_path_factory.mktemp("data"), forking, tmp_path_factory.mktemp("files"))
    add_model(found, provider, "priced", "ok", "--input-price", 1, "--output-price", 2)
    add_model(found, provider, "unpriced", "ok")
    found("prompt", "push", found.write("ask.txt", "About {{ topic }}"))
    rows = "".join(f"c{n},topic {n},echo: About topic {n}\n" for n in range(10))
    found("dataset", "push", "cases", found.write("cases.csv", "id,topic,expected\n" + rows))
    return found


def add_model(shell: Shell, provider: Witness, name: str, behaviour: str, *more: object) -> None:
    """A model of the provider; `behaviour` is its id there."""
    shell("model", "add", name, "--base-url", provider.base_url, "--model", behaviour, *more)
