"""From a case to the request that is sent: bind columns, type values, render, key."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from connectors.body import key_of
from connectors.wire import ChatRequest
from evalsets.runs.manifest import Arm, FrozenModel
from prompts.content import InputError, PromptContent, typed_inputs
from prompts.template import RenderedPrompt, TemplateProblem, renderer


class Unrunnable(NamedTuple):
    """Why a case cannot be sent on an arm; `missing` names variables without value."""

    kind: str
    sentence: str
    missing: tuple[str, ...] = ()


Rendered = ChatRequest | Unrunnable
Typed = dict[str, Any] | Unrunnable


def bound(arm: Arm, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A case's columns under the names of the arm's variables."""
    columns = {variable: inputs.get(column) for variable, column in arm.mapping.items()}
    return {**inputs, **columns}


def typed_case(arm: Arm, inputs: Mapping[str, Any]) -> Typed:
    """The variables of the arm's prompt from a case's columns; passages stay as they are."""
    try:
        return typed_inputs(arm.asked, bound(arm, inputs))
    except InputError as error:
        kind = "missing_variable" if error.missing else "bad_value"
        return Unrunnable(kind, error.message, error.missing)


def render_requests(arm: Arm, cases: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    """One request a case, in their order; a case that cannot be rendered is a value."""
    typed = [typed_case(arm, inputs) for inputs in cases]
    if arm.app is not None:
        return app_requests(typed)
    content, good = _renderable(arm, typed)
    made = renderer().render_many(content.messages, good, content.threads, content.includes)
    return _requests(arm, typed, made)


async def arender_requests(arm: Arm, cases: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    """`render_requests` beside the event loop."""
    typed = [typed_case(arm, inputs) for inputs in cases]
    if arm.app is not None:
        return app_requests(typed)
    content, good = _renderable(arm, typed)
    made = await renderer().arender_many(content.messages, good, content.threads, content.includes)
    return _requests(arm, typed, made)


def app_requests(typed: Sequence[Typed]) -> list[Rendered]:
    """The calls of an app: it renders and retrieves itself, so it is sent the inputs."""
    return [
        one if isinstance(one, Unrunnable) else ChatRequest((), params={"inputs": one})
        for one in typed
    ]


def _renderable(arm: Arm, typed: Sequence[Typed]) -> tuple[PromptContent, list[dict[str, Any]]]:
    assert arm.prompt is not None
    return arm.prompt.content, [one for one in typed if not isinstance(one, Unrunnable)]


def _requests(
    arm: Arm, typed: Sequence[Typed], made: Sequence[RenderedPrompt | TemplateProblem]
) -> list[Rendered]:
    results = iter(made)
    found: list[Rendered] = []
    for one in typed:
        result = one if isinstance(one, Unrunnable) else next(results)
        if isinstance(result, TemplateProblem):
            missing = (result.name,) if result.kind == "missing" and result.name else ()
            kind = "missing_variable" if missing else "template"
            result = Unrunnable(kind, result.sentence, missing)
        found.append(result if isinstance(result, Unrunnable) else request_of(arm, result.messages))
    return found


def request_of(arm: Arm, messages: Sequence[Mapping[str, Any]]) -> ChatRequest:
    """The call of an arm for rendered messages."""
    assert arm.prompt is not None
    assert arm.model is not None
    content = arm.prompt.content
    return ChatRequest(
        messages=messages,
        params=arm.params,
        schema=content.outputs if arm.model.settings.structured != "off" else None,
        tools=content.tools or None,
    )


def request_key(model: FrozenModel, request: ChatRequest, repeat: int) -> str:
    """sha256 of what goes over the wire: the cache and equal cells of a run go by it."""
    return key_of(model.target, request, repeat)
