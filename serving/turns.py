"""The turns of conversations that an app keeps: read before a call, written with its answer."""

import asyncio
from collections.abc import Sequence

from core.database import Database
from core.errors import Invalid
from serving import conversations
from serving.bodies import Turn
from serving.calls import Call
from serving.conversations import Kept


class Turns:
    """Beside the event loop; a conversation belongs to the key or person that began it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def before(self, call: Call) -> Kept:
        """What was said before; nothing for a call without a conversation id. Raises Invalid."""
        conversation = call.asked.conversation
        if conversation is None:
            return Kept([], 0)
        if call.release.manifest.history != "server":
            raise Invalid(
                "This app keeps no conversations. Send the whole history as messages.",
                param="conversation",
            )
        return await asyncio.to_thread(self._load, call, conversation)

    async def keep(self, call: Call, revision: int, text: str) -> None:
        """Add what was asked and answered; Conflict if another call was answered meanwhile."""
        conversation = call.asked.conversation
        if conversation is not None:
            said: list[Turn] = [*call.asked.messages, {"role": "assistant", "content": text}]
            await asyncio.to_thread(self._append, call, conversation, said, revision)

    def _load(self, call: Call, conversation: str) -> Kept:
        with self._database.read_scope() as session:
            return conversations.load(session, call.record.app_id, _owner(call), conversation)

    def _append(self, call: Call, conversation: str, said: Sequence[Turn], revision: int) -> None:
        owner = _owner(call)
        with self._database.session_scope(owner) as session:
            conversations.append(session, call.record.app_id, owner, conversation, said, revision)


def _owner(call: Call) -> str:
    return f"key:{call.key.id}" if call.key is not None else call.record.user or "page"
