"""A call as code: exactly its body, for a shell, for Python and for TypeScript."""

import json
import pprint
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# Arguments of `chat.completions.create` in the openai package; the others go in `extra_body`.
_ARGUMENTS = frozenset(
    {
        *("messages", "model", "audio", "frequency_penalty", "function_call", "functions"),
        *("logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata"),
        *("modalities", "parallel_tool_calls", "prediction", "presence_penalty"),
        *("prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed"),
        *("service_tier", "stop", "store", "temperature", "tool_choice", "tools", "top_logprobs"),
        *("top_p", "user", "verbosity", "web_search_options"),
    }
)


class Asked(NamedTuple):
    """A body, the address it goes to (up to `/chat/completions`), and where its key is found."""

    base_url: str
    key_variable: str
    body: Mapping[str, Any]


def curl(call: Asked) -> str:
    """The request itself, for a shell."""
    body = json.dumps(call.body, indent=2, ensure_ascii=False).replace("'", "'\\''")
    return (
        f"curl {_quoted(call.base_url.rstrip('/') + '/chat/completions')} \\\n"
        f'  -H "Authorization: Bearer ${call.key_variable}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'\n"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def python(call: Asked) -> str:
    """With the openai package; what its method does not know by name is an extra of the body."""
    known = {name: value for name, value in call.body.items() if name in _ARGUMENTS}
    extra = {name: value for name, value in call.body.items() if name not in _ARGUMENTS}
    given = "".join(f"    {name}={_literal(value)},\n" for name, value in known.items())
    if extra:
        given += f"    extra_body={_literal(extra)},\n"
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        "client = OpenAI(\n"
        f"    base_url={call.base_url!r},\n"
        f"    api_key=os.environ.get({call.key_variable!r}) or 'none',\n"
        ")\n"
        f"answer = client.chat.completions.create(\n{given})\n"
        "print(answer.choices[0].message.content)\n"
    )


def _literal(value: object) -> str:
    text = pprint.pformat(value, indent=1, width=84, sort_dicts=False)
    return text.replace("\n", "\n    ")


def typescript(call: Asked) -> str:
    """With the openai package of npm."""
    body = json.dumps(call.body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
    return (
        'import OpenAI from "openai";\n\n'
        "const client = new OpenAI({\n"
        f"  baseURL: {json.dumps(call.base_url, ensure_ascii=False)},\n"
        f'  apiKey: process.env.{call.key_variable} ?? "none",\n'
        "});\n"
        "const answer = await client.chat.completions.create(\n"
        f"  {body} as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming,\n"
        ");\n"
        "console.log(answer.choices[0].message.content);\n"
    )


LANGUAGES: Mapping[str, Callable[[Asked], str]] = {
    "curl": curl,
    "python": python,
    "typescript": typescript,
}
