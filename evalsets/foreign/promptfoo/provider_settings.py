"""Where a provider of promptfoo's is reached, and what it is asked with."""

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pydantic import ValidationError

from connectors.address import parse_address
from connectors.models import ModelSettings
from connectors.parameters import refusal_of
from core.errors import PromptstoneError
from evalsets.foreign.arrival import Arrival
from prompts.foreign import options


class _Place(NamedTuple):
    """Where a family of providers is reached: an address, or a provider of LangChain's."""

    url: str | None
    key: str | None
    langchain: str | None = None


_OPENAI = _Place("https://api.openai.com/v1", "OPENAI_API_KEY")
PLACES: dict[str, _Place] = {
    "openai": _OPENAI,
    "openrouter": _Place("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "deepseek": _Place("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "groq": _Place("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "togetherai": _Place("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "mistral": _Place("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "xai": _Place("https://api.x.ai/v1", "XAI_API_KEY"),
    "cerebras": _Place("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "ollama": _Place("http://localhost:11434/v1", None),
    "anthropic": _Place(None, "ANTHROPIC_API_KEY", "anthropic"),
    "google": _Place(None, "GOOGLE_API_KEY", "google_genai"),
}
"""The first word of a provider's id; one more line is one more provider."""

_MODES = {"chat", "messages", "responses"}
_NOT_CHAT = {
    "completion", "embedding", "embeddings", "moderation", "image", "transcription", "realtime",
    "video", "assistant", "agents", "chatkit", "codex-sdk", "codex", "codex-app-server",
    "codex-desktop", "embed", "speech", "tts", "claude-agent-sdk",
}  # fmt: skip
_KEYS = ("apiKey", "api_key", "token", "password")


def settings_of(
    where: str, provider: str, config: dict[str, Any], arrival: Arrival
) -> ModelSettings | None:
    """The model's settings; None, and listed why, for what is not asked here."""
    family, _, rest = provider.partition(":")
    place = PLACES.get(family)
    mode, colon, model = rest.partition(":")
    if mode not in _MODES | _NOT_CHAT:
        mode, colon, model = "chat", ":", rest
    if place is None or mode in _NOT_CHAT or not (colon and model):
        arrival.leave(where, provider[:120] or "a provider", _why_not(provider, place, mode, model))
        return None
    if mode == "responses":
        arrival.leave(where, provider[:120], "It is asked through chat completions here.")
    read = options.known({k: v for k, v in config.items() if k not in _ADDRESS})
    kind = "openai" if place.langchain is None or "apiBaseUrl" in config else "langchain"
    params = _params(where, read, kind, arrival)
    for key in _KEYS:
        if config.get(key):
            arrival.leave(
                f"{where}.config.{key}",
                "a key",
                "A key is never taken from a file. Put it into the environment variable "
                f"{_key_name(config, place) or 'of your choice'}, which the model reads.",
            )
    fields: dict[str, Any] = {"kind": kind, "model": model, "params": params, **_prices(config)}
    fields["api_key_env"] = _key_name(config, place)
    if kind == "langchain":
        fields["provider"] = place.langchain
    else:
        fields["base_url"] = _address(config, place)
    try:
        settings = ModelSettings.model_validate(fields)
        if settings.base_url is not None:
            settings = settings.model_copy(
                update={"base_url": parse_address(settings.base_url).url}
            )
        _leave_unread(where, config, settings, arrival)
        return settings
    except (ValidationError, PromptstoneError) as error:
        said = error.message if isinstance(error, PromptstoneError) else "Its settings are wrong."
        arrival.leave(where, provider[:120], said)
        return None


_ADDRESS = {*_KEYS, "apiKeyEnvar", "apiBaseUrl", "apiHost", "cost", "inputCost", "outputCost"}


def _why_not(provider: str, place: _Place | None, mode: str, model: str) -> str:
    if provider.startswith(("exec:", "python:", "file:", "package:", "golang:", "ruby:")) or (
        provider.rsplit(".", 1)[-1] in ("py", "js", "ts", "mjs", "cjs", "rb")
    ):
        return "It is a program, and no program of a file runs here. Publish it as an endpoint."
    if provider.startswith(("http:", "https:", "http", "ws", "webhook:")):
        return "Its requests have a form of their own. Add a server that speaks OpenAI's API."
    if place is None:
        return (
            "Promptstone asks OpenAI's API and LangChain's providers: try "
            "`promptstone model add NAME --provider PROVIDER:MODEL`."
        )
    if mode in _NOT_CHAT:
        return f"It is no chat model but {mode}. Prompts here are sent as chat."
    return (
        "It names no model. Write it like openai:chat:MODEL."
        if not model
        else "It has no place in a model here."
    )


def _params(where: str, read: options.Settings, kind: Any, arrival: Arrival) -> dict[str, Any]:
    for key, reason in read.left.items():
        arrival.leave(f"{where}.config.{key}", f"`{key}` of a provider", reason)
    if read.outputs is not None:
        arrival.leave(
            f"{where}.config.response_format",
            "a JSON schema",
            "A schema belongs to a prompt here: set it as the prompt's `outputs`.",
        )
    if read.tools:
        arrival.leave(
            f"{where}.config.tools",
            f"{len(read.tools)} tools",
            "Tools belong to a prompt here: set them as the prompt's `tools`.",
        )
    kept: dict[str, Any] = {}
    for key, value in read.options.items():
        why = refusal_of(kind, {key: value})
        if why is None:
            kept[key] = value
        else:
            arrival.leave(f"{where}.config.{key}", f"`{key}` of a provider", why)
    return kept


def _leave_unread(
    where: str, config: dict[str, Any], settings: ModelSettings, arrival: Arrival
) -> None:
    """What of the address, the key and the prices is not taken."""
    reasons: dict[str, str] = {}
    if settings.input_price is None:
        reasons |= dict.fromkeys(_PRICES, "Both prices are needed, as numbers a token.")
    if settings.kind == "langchain":
        reasons["apiHost"] = "LangChain's providers have an address of their own."
    if not isinstance(config.get("apiBaseUrl", ""), str):
        reasons["apiBaseUrl"] = "It is no address. Write it out."
    if config.get("apiKeyEnvar") != settings.api_key_env:
        reasons["apiKeyEnvar"] = "It is no name of an environment variable."
    reasons |= dict.fromkeys(("model", "modelName"), "The model stands in the provider's id.")
    for key in sorted(config.keys() & reasons.keys()):
        arrival.leave(f"{where}.config.{key}", f"`{key}` of a provider", reasons[key])


_PRICES = ("cost", "inputCost", "outputCost")


def _key_name(config: dict[str, Any], place: _Place) -> str | None:
    name = config.get("apiKeyEnvar")
    own = isinstance(name, str) and name.isidentifier()
    return str(name) if own else place.key


def _address(config: dict[str, Any], place: _Place) -> str | None:
    if isinstance(config.get("apiBaseUrl"), str):
        return config["apiBaseUrl"]
    host = config.get("apiHost")
    return f"https://{host}/v1" if isinstance(host, str) else place.url


def _prices(config: dict[str, Any]) -> dict[str, Decimal]:
    """Dollars a token there, a million tokens here."""
    both = config.get("cost")
    try:
        given = [config.get("inputCost", both), config.get("outputCost", both)]
        found = [Decimal(str(one)) * 1_000_000 for one in given if one is not None]
    except InvalidOperation:
        return {}
    return {"input_price": found[0], "output_price": found[1]} if len(found) == 2 else {}
