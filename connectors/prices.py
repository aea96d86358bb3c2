"""What a call costs. Money is Decimal and unrounded; what has no price is unpriced, never 0."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, NamedTuple

from connectors.models import ModelSettings
from connectors.wire import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

_OPENAI = "https://api.openai.com/v1"
# LangChain's provider names where genai-prices calls them otherwise.
_PROVIDERS = {
    "azure_openai": "azure",
    "azure_ai": "azure",
    "anthropic_bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; `as_of` names the price table."""

    input_per_million: Decimal
    output_per_million: Decimal
    source: Literal["by hand", "genai-prices", "local"]
    as_of: str = ""


def price_of(settings: ModelSettings) -> Price | None:
    """By hand first, then the table that comes with genai-prices; None is unpriced.

    A model at an unknown host is unpriced even if its name is well known: a local copy of an open
    model costs other money than the same name at a provider. The table's base price is taken,
    without discounts for cached input, so that a cost is an upper bound of the bill.
    """
    if settings.kind in ("demo", "echo"):
        return Price(Decimal(0), Decimal(0), "local")
    if settings.input_price is not None and settings.output_price is not None:
        return Price(settings.input_price, settings.output_price, "by hand")
    if settings.kind == "backend":
        return Price(Decimal(0), Decimal(0), "local")
    return _priced(*_place(settings))


def is_ending(settings: ModelSettings) -> bool:
    """Whether the table says that the provider has deprecated this model: it answers until it is
    taken away."""
    if settings.kind in ("demo", "echo", "backend"):
        return False
    info = _look_up(*_place(settings))
    return info is not None and bool(info.deprecated)


class _Place(NamedTuple):
    model: str
    provider: str | None
    url: str | None


def _place(settings: ModelSettings) -> _Place:
    """Where the table has a model, if it has it."""
    if settings.kind == "openai":
        return _Place(settings.model, None, settings.base_url or _OPENAI)
    if settings.base_url:
        return _Place(settings.model, None, settings.base_url)
    provider = settings.provider or ""
    return _Place(settings.model, _PROVIDERS.get(provider, provider), None)


def cost(usage: Usage, price: Price | None) -> Decimal | None:
    """US dollars of one call, exact; None when the model is unpriced."""
    if price is None:
        return None
    given = usage.input_tokens * price.input_per_million
    made = usage.output_tokens * price.output_per_million
    return (given + made).scaleb(-6)


@lru_cache(maxsize=256)
def _look_up(model: str, provider: str | None, url: str | None) -> "ModelInfo | None":
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(model, None, provider, url)[1]
    except LookupError:
        return None


@lru_cache(maxsize=256)
def _priced(model: str, provider: str | None, url: str | None) -> Price | None:
    info = _look_up(model, provider, url)
    if info is None:
        return None
    prices = info.get_prices(datetime.now(UTC))
    given, made = _base(prices.input_mtok), _base(prices.output_mtok)
    if given is None or made is None:
        return None
    return Price(given, made, "genai-prices", f"genai-prices {version('genai-prices')}")


def _base(price: object) -> Decimal | None:
    """The price below the first tier of a price that grows with the prompt."""
    price = getattr(price, "base", price)
    return price if isinstance(price, Decimal) else None
