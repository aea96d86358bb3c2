"""Which parameters a call may carry: none that say where it goes, what is asked, or how often.

A prompt file from elsewhere brings parameters along, and LangChain's models take their address,
their key and their HTTP client by the same door as the temperature. So a list of the known ones.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from connectors.wire import ChatError, ChatFailure, Kind

RESERVED = frozenset({"model", "messages", "stream", "stream_options", "tools", "n"})
_SECRET = re.compile(r"(?:api|access|auth)[-_]?(?:key|token)|authorization|password|secret", re.I)
_LANGCHAIN = frozenset(
    {
        *("temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_sequences"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "repeat_penalty"),
        *("repeat_last_n", "logit_bias", "logprobs", "top_logprobs", "parallel_tool_calls"),
        *("reasoning", "reasoning_effort", "verbosity", "thinking", "thinking_budget"),
        *("include_thoughts", "effort", "num_ctx", "num_predict", "tfs_z", "mirostat"),
        *("mirostat_eta", "mirostat_tau", "service_tier", "safe_prompt", "user"),
    }
)
_SAMPLING = frozenset(
    {
        *("temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_token_ids"),
        *("max_tokens", "max_completion_tokens", "min_tokens", "ignore_eos", "logit_bias"),
        *("frequency_penalty", "presence_penalty", "repetition_penalty", "repeat_penalty"),
        *("repeat_last_n", "logprobs", "top_logprobs", "tool_choice", "parallel_tool_calls"),
        *("response_format", "reasoning_effort", "skip_special_tokens", "cache_prompt"),
        *("include_stop_str_in_output", "spaces_between_special_tokens", "user", "mirostat"),
        *("mirostat_eta", "mirostat_tau", "typical_p", "dry_multiplier", "dynatemp_range"),
    }
)


def is_stripped(name: str) -> bool:
    """Whether a server of ours is never sent it: it would replace the prompt, or how it is made."""
    return name.startswith("chat_template") or name == "prompt_embeds"


def refusal_of(kind: Kind, params: Mapping[str, object]) -> str | None:
    """Why these parameters cannot be sent, as a sentence with its remedy; None when they can."""
    return _refusal_of(kind, tuple(params))


def check_params(kind: Kind, params: Mapping[str, object]) -> None:
    """Raise ChatError, before anything is sent, for parameters that `refusal_of` refuses."""
    why = refusal_of(kind, params)
    if why is not None:
        raise ChatError(ChatFailure("bad_request", why))


@lru_cache(512)
def _refusal_of(kind: Kind, names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in RESERVED:
            return f"The parameter {name!r} is set for each call. Leave it out."
        if _SECRET.search(name):
            return (
                f"The parameter {name!r} looks like a key, and parameters are shown and exported. "
                "Give the key with `promptstone model add --api-key-env` instead."
            )
        if kind == "langchain" and name not in _LANGCHAIN:
            known = ", ".join(sorted(_LANGCHAIN))
            return (
                f"The parameter {name[:60]!r} is not sent to a LangChain model, because it could "
                f"change where the call goes. Leave it out; known are {known}."
            )
        if kind == "backend" and name not in _SAMPLING and not is_stripped(name):
            known = ", ".join(sorted(_SAMPLING))
            return (
                f"The parameter {name[:60]!r} is not sent to a backend, because it is none of "
                f"sampling. Leave it out; known are {known}."
            )
    return None
