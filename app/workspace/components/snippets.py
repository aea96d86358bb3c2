"""Code that calls an app, filled with its own variables."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from prompts.content import Variable
from prompts.template import renderer
from rag.answer import variables_of
from serving.manifest import ReleaseManifest

KEY = "PROMPTSTONE_KEY"
_QUESTION = "How do I begin?"
_VALUES: Mapping[str, Any] = {"number": 1, "boolean": True, "list": [], "json": {}}


class Example(NamedTuple):
    """A call: the app as `model`, what fills its variables, and the client's messages."""

    model: str
    inputs: dict[str, Any]
    messages: list[dict[str, str]]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = {"model": self.model, "messages": self.messages}
        return found | ({"inputs": self.inputs} if self.inputs else {})


def variables(release: ReleaseManifest) -> list[Variable]:
    """What a client gives as inputs: neither messages, nor passages, nor their question.

    Looks at the release's templates, so no session may be open.
    """
    report = renderer().variables_of(release.prompt.content)
    declared = {one.name: one for one in release.asked.inputs}
    filled = {release.thread}
    if release.retrieval is not None:
        filled |= {release.retrieval.into, release.retrieval.query}
    names = [name for name in variables_of(release.asked, report) if name not in filled]
    return [declared.get(name) or Variable(name=name) for name in names]


def example(model: str, release: ReleaseManifest) -> Example:
    """A call that the release accepts; no session may be open."""
    inputs = {one.name: _value(one) for one in variables(release)}
    turns = [{"role": "user", "content": _QUESTION}] if release.kind != "completion" else []
    return Example(model, inputs, turns)


def _value(variable: Variable) -> Any:
    known = variable.example if variable.example is not None else variable.default
    if known is not None:
        return known
    return variable.choices[0] if variable.choices else _VALUES.get(variable.kind, "…")


def curl(address: str, call: Example) -> str:
    """The request itself, for a shell."""
    body = json.dumps(call.body, indent=2, ensure_ascii=False)
    return _post(f"{address}/v1/chat/completions", body)


def invoke(address: str, call: Example) -> str:
    """The same by our own route, which tells sources and cost, too."""
    body: dict[str, Any] = {"inputs": call.inputs}
    if call.messages:
        body["messages"] = call.messages
    path = quote(call.model, safe="/@")
    return _post(f"{address}/apps/{path}/invoke", json.dumps(body, indent=2, ensure_ascii=False))


def feedback(address: str) -> str:
    """What a user said of an answer."""
    body = {"request_id": "…", "rating": "bad", "comment": "…"}
    return _post(f"{address}/v1/feedback", json.dumps(body, indent=2, ensure_ascii=False))


def _post(address: str, body: str) -> str:
    quoted = body.replace("'", "'\\''")
    return (
        f"curl {address} \\\n"
        f'  -H "Authorization: Bearer ${KEY}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{quoted}'\n"
    )


def python(address: str, call: Example) -> str:
    """With the openai package."""
    extra = f'    extra_body={{"inputs": {call.inputs!r}}},\n' if call.inputs else ""
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{address}/v1", api_key=os.environ["{KEY}"])\n'
        "answer = client.chat.completions.create(\n"
        f"    model={call.model!r},\n    messages={call.messages!r},\n{extra})\n"
        "print(answer.choices[0].message.content)\n"
    )


def typescript(address: str, call: Example) -> str:
    """With the openai package of npm."""
    extra = ""
    if call.inputs:
        inputs = json.dumps(call.inputs, ensure_ascii=False)
        extra = f"  // @ts-expect-error: variables of the app\n  inputs: {inputs},\n"
    return (
        'import OpenAI from "openai";\n\n'
        "const client = new OpenAI({\n"
        f'  baseURL: "{address}/v1",\n  apiKey: process.env.{KEY},\n}});\n'
        "const answer = await client.chat.completions.create({\n"
        f"  model: {json.dumps(call.model, ensure_ascii=False)},\n"
        f"  messages: {json.dumps(call.messages, ensure_ascii=False)},\n{extra}}});\n"
        "console.log(answer.choices[0].message.content);\n"
    )
