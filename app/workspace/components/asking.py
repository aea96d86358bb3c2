"""Work on the server's event loop that a page starts and does not wait for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import streamlit as st

from app.server import context
from app.workspace.components import access
from connectors import service
from connectors.connections import Connections
from connectors.detect import Found, detect_local
from connectors.models import ModelSettings
from connectors.resolver import leads_to_local
from connectors.service import ModelPublic
from connectors.testing import test_model

T = TypeVar("T")
_testing: set[str] = set()
_SHORTLY = 4.0


def is_testing(name: str) -> bool:
    """Whether a test of this model is under way."""
    return name in _testing


def start_test(name: str) -> None:
    """Ask a model one word on the server's loop; its row holds what came of it."""
    if name in _testing:
        return
    _testing.add(name)
    here = context.current()
    asyncio.run_coroutine_threadsafe(_test(name, access.actor()), here.loop)


async def _test(name: str, actor: str) -> None:
    here = context.current()
    database = here.database
    try:
        with database.read_scope() as session:
            settings = service.get_model(session, name).settings
            target = service.target_of(session, name, here.settings.key_path)
        async with Connections(here.settings.data) as connections:
            result = await test_model(connections, target, settings)
        await asyncio.to_thread(_record, name, actor, result)
    finally:
        _testing.discard(name)


def _record(name: str, actor: str, result) -> None:
    with context.current().database.session_scope(actor) as session:
        service.record_test(session, name, result)


@st.cache_data(ttl=30, show_spinner=False)
def found_here() -> Sequence[Found]:
    """What can be connected on this machine; asks loopback addresses for at most a second."""

    async def look() -> list[Found]:
        async with Connections(context.current().settings.data) as connections:
            return await detect_local(connections)

    return _shortly(look)


def add(name: str, settings: ModelSettings, key: str | None) -> ModelPublic | None:
    """Add a model; an administrator may name an address on this machine or network."""
    here = context.current()
    address = settings.base_url
    allow = access.role() == "admin" and address is not None and leads_to_local(address)
    return access.act(
        lambda session: service.add_model(
            session,
            name,
            settings,
            key=key or None,
            key_path=here.settings.key_path,
            allow_local=allow,
        )
    )


def _shortly(work: Callable[[], Awaitable[T]]) -> T:
    async def started() -> T:
        return await work()

    future = asyncio.run_coroutine_threadsafe(started(), context.current().loop)
    return future.result(_SHORTLY)
