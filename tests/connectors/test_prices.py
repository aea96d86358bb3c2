"""Prices: by hand, from the table, or none; never 0 by accident, never over the network."""

import socket
from decimal import Decimal

import pytest

from connectors.models import ModelSettings
from connectors.prices import Price, cost, price_of
from connectors.wire import Usage


def test_by_hand_wins() -> None:
    settings = ModelSettings(
        model="gpt-4o-mini", input_price=Decimal("1.1"), output_price=Decimal("0")
    )
    assert price_of(settings) == Price(Decimal("1.1"), Decimal(0), "by hand")


def test_table_of_a_known_provider_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no price may come over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = price_of(ModelSettings(model="gpt-4o-mini", base_url="https://api.openai.com/v1"))
    assert found is not None
    assert (found.input_per_million, found.output_per_million) == (Decimal("0.15"), Decimal("0.6"))
    assert found.as_of.startswith("genai-prices ")
    claude = price_of(
        ModelSettings(kind="langchain", provider="anthropic", model="claude-sonnet-4-5")
    )
    assert claude is not None
    assert claude.input_per_million == 3, "the base of a tiered price"


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(model="gpt-4o-mini", base_url="http://127.0.0.1:8000/v1"),
        ModelSettings(model="no-such-model", base_url="https://api.openai.com/v1"),
        ModelSettings(kind="langchain", provider="ollama", model="llama3"),
        ModelSettings(model="m", base_url="https://x.test/v1", input_price=Decimal(1)),
    ],
)
def test_unknown_is_unpriced(settings: ModelSettings) -> None:
    assert price_of(settings) is None
    assert cost(Usage(10, 10), None) is None


def test_local_models_cost_nothing() -> None:
    for kind in ("demo", "echo"):
        price = price_of(ModelSettings(kind=kind, model=kind))  # type: ignore[arg-type]
        assert price is not None
        assert price.source == "local"
        assert cost(Usage(10**6, 10**6), price) == 0


def test_cost_is_exact() -> None:
    price = Price(Decimal("0.15"), Decimal("0.6"), "by hand")
    assert cost(Usage(7, 3), price) == Decimal("0.00000285")
    assert str(cost(Usage(1, 0), Price(Decimal("0.0000001"), Decimal(0), "by hand"))) == "1E-13"
