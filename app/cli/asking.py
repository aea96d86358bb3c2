"""One call of a model by a command: outside of any transaction, with what it took."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from app.cli import state

if TYPE_CHECKING:
    from connectors.generate import Call
    from connectors.wire import ChatAnswer, Message
    from core.canonical import Json


class Asked(NamedTuple):
    """What a model said; `cost` in US dollars, None where it has no price."""

    text: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None


def asked(
    model: str, messages: "Sequence[Message]", schema: "Mapping[str, Json] | None" = None
) -> Asked:
    """The answer of a model by name; raises NotFound, and ChatError where there is none."""
    import asyncio

    from connectors.generate import prepare
    from connectors.prices import cost

    with state.reading() as session:
        call = prepare(
            session, state.actor(), model, messages, state.settings().key_path, schema=schema
        )
    answer = asyncio.run(_answer(call))
    usage = answer.usage
    return Asked(answer.text, usage.input_tokens, usage.output_tokens, cost(usage, call.price))


async def _answer(call: "Call") -> "ChatAnswer":
    from connectors.connections import Connections

    async with Connections(state.settings().data) as connections:
        return await connections.connector(call.target).chat(call.request)
