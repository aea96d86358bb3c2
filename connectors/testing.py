"""The test button of a model: one small call, and plain words about what came of it."""

from connectors.connections import Connections
from connectors.models import ModelSettings, TestResult
from connectors.wire import ChatAnswer, ChatError, ChatFailure, ChatRequest, Target
from core.clock import utcnow

SLOW_MS = 15_000
_QUESTION = [{"role": "user", "content": "Answer with the one word: ready"}]
_SHORT = {"max_tokens": 16}


async def test_model(
    connections: Connections, target: Target, settings: ModelSettings
) -> TestResult:
    """Ask once for a word; never raises."""
    found = await _ask(connections, target, {**settings.params, **_SHORT})
    if isinstance(found, ChatFailure) and found.kind == "bad_request":
        # Some models refuse max_tokens; what they are sent in runs is what counts.
        found = await _ask(connections, target, settings.params)
    if isinstance(found, ChatAnswer):
        return _answered(target, found)
    message = found.message
    if found.kind == "not_found" and target.kind == "openai":
        message = await _with_known_ids(connections, target, message)
    return TestResult(ok=False, message=message, kind=found.kind, at=utcnow())


test_model.__test__ = False  # type: ignore[attr-defined]


async def _ask(
    connections: Connections, target: Target, params: dict[str, object]
) -> ChatAnswer | ChatFailure:
    request = ChatRequest(_QUESTION, params=params)  # type: ignore[arg-type]
    try:
        return await connections.connector(target).chat(request)
    except ChatError as error:
        return error.failure


def _answered(target: Target, answer: ChatAnswer) -> TestResult:
    seconds = answer.latency_ms / 1000
    message = f"The model {target.name} answers in {seconds:.1f} s."
    if answer.latency_ms > SLOW_MS:
        message += " That is slow: expect long runs, or use a faster server."
    if answer.usage.estimated:
        message += " It reports no usage, so tokens and cost are estimates."
    return TestResult(ok=True, message=message, latency_ms=answer.latency_ms, at=utcnow())


async def _with_known_ids(connections: Connections, target: Target, message: str) -> str:
    try:
        ids = await connections.model_ids(target)
    except ChatError:
        return message
    if target.model_id in ids or not ids:
        return message
    shown = ", ".join(ids[:8]) + (", …" if len(ids) > 8 else "")
    return f"{message} This server has: {shown}."
