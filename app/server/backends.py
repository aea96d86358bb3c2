"""The servers of models that this data folder keeps, watched beside its runs."""

import asyncio

from core.database import Database


async def keep_backends(database: Database, stop: asyncio.Event) -> None:
    """Start, follow and end backends until `stop` is set; all of them end with this process."""
    from connectors.backends.watch import Watch
    from prompts.chat_template import check_chat_template
    from tuning.environment import find

    await Watch(database, check=check_chat_template, trainer=find).run(stop)
