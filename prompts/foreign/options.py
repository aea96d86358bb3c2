"""Settings of a call as other programs name them: what of them a prompt or a model keeps here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from core.errors import PromptstoneError
from prompts import schema
from prompts.json_schema import is_json_schema

_NAMES = {
    "temperature": "temperature", "top_p": "top_p", "topP": "top_p", "top_k": "top_k",
    "topK": "top_k", "min_p": "min_p", "seed": "seed", "stop": "stop", "stopSequences": "stop",
    "stop_sequences": "stop", "max_tokens": "max_tokens", "maxTokens": "max_tokens",
    "max_completion_tokens": "max_completion_tokens", "maxOutputTokens": "max_tokens",
    "max_output_tokens": "max_tokens", "frequency_penalty": "frequency_penalty",
    "frequencyPenalty": "frequency_penalty", "presence_penalty": "presence_penalty",
    "presencePenalty": "presence_penalty", "repetition_penalty": "repetition_penalty",
    "reasoning_effort": "reasoning_effort", "verbosity": "verbosity", "logprobs": "logprobs",
    "top_logprobs": "top_logprobs", "logit_bias": "logit_bias", "tool_choice": "tool_choice",
    "parallel_tool_calls": "parallel_tool_calls", "service_tier": "service_tier",
    "user": "user",
}  # fmt: skip
"""Their names to the wire's; parameters that nothing is known of are listed, not sent."""


@dataclass
class Settings:
    """What was understood; `left` maps what was not to the reason."""

    model: str | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    outputs: dict[str, Any] | None = None
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    left: dict[str, str] = field(default_factory=dict[str, str])


def known(given: Mapping[str, Any]) -> Settings:
    """Sort the settings of a call; none is dropped without a reason."""
    found = Settings()
    for key, value in given.items():
        if value is None:
            continue
        if key in _NAMES:
            found.options[_NAMES[key]] = value
        elif key in ("model", "modelName") and isinstance(value, str):
            found.model = value
        elif key in ("response_format", "text", "outputs"):
            _outputs(found, key, value)
        elif key == "tools":
            _tools(found, value)
        elif key == "reasoning" and isinstance(value, dict):
            _reasoning(found, cast(dict[str, Any], value))
        else:
            found.left[key] = "It is no setting of a call that is known here."
    return found


def sampling(given: Any) -> Settings:
    """`sampling_params` of OpenAI's evals, where one name is written in its own way."""
    params = dict(cast(dict[str, Any], given)) if isinstance(given, dict) else {}
    if "max_completions_tokens" in params:
        params["max_completion_tokens"] = params.pop("max_completions_tokens")
    found = known(params)
    if given and not isinstance(given, dict):
        found.left["sampling_params"] = "They are no map. Correct them."
    return found


def _reasoning(found: Settings, value: dict[str, Any]) -> None:
    effort = value.get("effort")
    if isinstance(effort, str):
        found.options["reasoning_effort"] = effort
    for key in value.keys() - {"effort"}:
        if value[key] is not None:
            found.left[f"reasoning.{key}"] = "It belongs to another endpoint of OpenAI's."


def _outputs(found: Settings, key: str, value: Any) -> None:
    """A JSON schema from `response_format`, from `text.format`, or as it is."""
    given = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    if key == "text":
        for other in given.keys() - {"format"}:
            if other in _NAMES:
                found.options[_NAMES[other]] = given[other]
            else:
                found.left[f"text.{other}"] = "It is no setting of a call that is known here."
        given = cast(dict[str, Any], given.get("format") or {"type": "text"})
    inner = given.get("json_schema")
    holder = cast(dict[str, Any], inner) if isinstance(inner, dict) else given
    definition = given if key == "outputs" else holder.get("schema")
    if isinstance(definition, dict) and is_json_schema(cast(dict[str, Any], definition)):
        found.outputs = cast(dict[str, Any], definition)
    elif given.get("type") == "json_object":
        found.options["response_format"] = {"type": "json_object"}
    elif given.get("type") != "text":
        found.left[key] = "It holds no JSON schema. Write the schema itself."


def _tools(found: Settings, value: Any) -> None:
    if not isinstance(value, list):
        found.left["tools"] = "They are no list of function tools. Write them out."
        return
    for n, item in enumerate(cast(list[Any], value)):
        tool = cast(dict[str, Any], item) if isinstance(item, dict) else {}
        try:
            read = schema.tools([tool])
        except (PromptstoneError, KeyError):
            found.left[f"tools[{n}]"] = f"A tool {tool.get('type')!r} does not run here."
            continue
        found.tools += read.tools
        for notice in read.notices:
            found.left[f"tools[{n}]"] = notice
