"""From what a client asked to the messages that a model is given: guards, passages, rendering."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from core.canonical import canonical_json
from core.database import Database
from core.errors import Invalid, NotFound
from prompts.content import Message, typed_inputs
from prompts.outcome import TemplateError, TemplateProblem
from prompts.template import renderer
from rag.answer import Retrieval, Source, retrieve, with_passages
from rag.searchers import searcher_of
from serving.bodies import Turn
from serving.calls import Blocked, Call
from serving.guarding import GuardedValue, apply_to_values
from serving.guards import Guard
from serving.loaded import LoadedRelease

_CACHED_INPUTS = 2000
_CACHED = 256
_LONG = 20_000


class Filled(NamedTuple):
    """Where a client's messages go: into the inputs, and around what the prompt itself says."""

    inputs: dict[str, Any]
    between: Sequence[Turn] = ()
    after: Sequence[Turn] = ()


def filled(release: LoadedRelease, inputs: dict[str, Any], turns: Sequence[Turn]) -> Filled:
    """Give the messages their place (CONTRACT: HTTP); raises Invalid where there is none.

    They fill the prompt's thread, else they follow what it says. The question of a base's app is
    the last user message, unless the inputs have it; the turns before it then stand before the
    prompt's last message.
    """
    _known_inputs(release, inputs)
    retrieval, thread = release.manifest.retrieval, release.thread
    if thread is not None and thread in inputs and turns:
        raise Invalid(
            f"The messages and inputs.{thread} are the same. Send one of them.", param="messages"
        )
    if retrieval is not None and retrieval.query not in inputs and turns:
        at = _last_user(turns)
        inputs = {**inputs, retrieval.query: turns[at]["content"]}
        earlier = turns[:at]
        if thread is not None:
            return Filled({**inputs, thread: list(earlier)})
        return Filled(inputs, between=earlier)
    if thread is not None:
        return Filled({**inputs, thread: list(turns)} if turns else inputs)
    if turns and release.manifest.kind == "completion":
        raise Invalid(
            "This app takes inputs only. Send messages as an empty list.", param="messages"
        )
    return Filled(inputs, after=turns)


def _last_user(turns: Sequence[Turn]) -> int:
    for at in range(len(turns) - 1, -1, -1):
        if turns[at]["role"] == "user":
            return at
    raise Invalid("There is no user message to search by. Send one.", param="messages")


def _known_inputs(release: LoadedRelease, inputs: dict[str, Any]) -> None:
    for name in inputs:
        if name not in release.names:
            known = ", ".join(sorted(release.names)) or "none"
            raise Invalid(
                f"inputs.{name[:64]} is no input of this app. Its inputs are: {known}.",
                param=f"inputs.{name[:64]}",
            )


async def messages_of(database: Database, call: Call, turns: Sequence[Turn]) -> list[Message]:
    """What the model is given; notes sources and steps in the call."""
    release = call.release
    place = filled(release, call.asked.inputs, turns)
    inputs = typed_inputs(release.content, place.inputs)
    retrieval = release.manifest.retrieval
    if retrieval is not None:
        inputs = await _grounded(database, call, retrieval, inputs)
    with call.step("render"):
        rendered = await _rendered(release, inputs)
    made = [*rendered[:-1], *place.between, *rendered[-1:], *place.after]
    if not made:
        raise Invalid("There is nothing to answer. Send at least one message.", param="messages")
    return cast(list[Message], made)


async def _grounded(
    database: Database, call: Call, retrieval: Retrieval, inputs: dict[str, Any]
) -> dict[str, Any]:
    query = str(inputs.get(retrieval.query) or "")
    with call.step("retrieve", retrieval.kb) as step:
        found = await asyncio.to_thread(_search, database, retrieval, query, _subject(call))
        step.detail = {"snapshot": retrieval.snapshot, "found": len(found)}
    call.sources = found
    call.content.sources = [source.row() for source in found]
    return with_passages(inputs, retrieval, found)


def _subject(call: Call) -> str | None:
    """Whose access rule holds: the person of the key, else the key; a page's call is its user's."""
    if call.key is None:
        return call.record.user
    return call.key.person or f"key:{call.key.id}"


def _search(
    database: Database, retrieval: Retrieval, query: str, subject: str | None
) -> tuple[Source, ...]:
    from rag.models import KnowledgeBase  # a process whose apps have no base does without

    with database.read_scope() as session:
        base = session.get(KnowledgeBase, retrieval.base_id)
    if base is None:
        raise NotFound(
            "The knowledge base of this app has been removed. Make a release with another.",
            code="base_removed",
        )
    named = retrieval.model_copy(update={"kb": base.name})
    return retrieve(searcher_of(database), named, query, subject=subject)


async def _rendered(release: LoadedRelease, inputs: dict[str, Any]) -> list[Message]:
    """The prompt's own messages; equal small inputs of a release are rendered once."""
    key = _cache_key(inputs)
    if key is not None and (known := release.rendered.get(key)) is not None:
        return list(known)
    content = release.manifest.prompt.content
    (made,) = await renderer().arender_many(
        content.messages, [inputs], content.threads, content.includes
    )
    if isinstance(made, TemplateProblem):
        raise TemplateError(made)
    if key is not None:
        _remember(release.rendered, key, made.messages)
    return made.messages


def _cache_key(inputs: dict[str, Any]) -> str | None:
    if sum(len(value) for value in inputs.values() if isinstance(value, str)) > _CACHED_INPUTS:
        return None
    key = canonical_json(inputs)
    return key if len(key) <= 2 * _CACHED_INPUTS else None


def _remember(
    cache: "OrderedDict[str, list[dict[str, str]]]", key: str, messages: list[Message]
) -> None:
    cache[key] = list(messages)
    if len(cache) > _CACHED:
        cache.popitem(last=False)


def question_of(call: Call, turns: Sequence[Turn]) -> str:
    """What a pinned answer is looked up by: the question, the last user message, or the text."""
    retrieval = call.release.manifest.retrieval
    inputs = call.asked.inputs
    if retrieval is not None and retrieval.query in inputs:
        return str(inputs[retrieval.query])
    for turn in reversed(turns):
        if turn["role"] == "user":
            return turn["content"]
    texts = [value for value in inputs.values() if isinstance(value, str)]
    return texts[0] if len(texts) == 1 else ""


async def guard_request(call: Call) -> None:
    """The guards before the model: masks what was asked in place; raises Blocked."""
    guards = call.release.manifest.guards
    if not any(guard.where == "before" for guard in guards):
        return
    asked = call.asked
    with call.step("guard", "before") as step:
        said = [turn["content"] for turn in asked.messages]
        checked = await _checked(guards, [said, asked.inputs])
        step.detail = {"found": [list(note) for note in checked.notes]}
        said, inputs = cast(tuple[list[str], dict[str, Any]], checked.value)
        turns = zip(asked.messages, said, strict=True)
        asked.messages[:] = [{**turn, "content": text} for turn, text in turns]
        asked.inputs.clear()
        asked.inputs.update(inputs)
        call.content.given = [dict(turn) for turn in asked.messages]
        call.content.inputs = dict(asked.inputs)
        if checked.blocked is not None:
            raise blocked(checked.blocked.kind, "request")


async def _checked(guards: Sequence[Guard], value: list[Any]) -> GuardedValue:
    """Long texts are looked at beside the event loop, which serves others meanwhile."""
    if len(str(value)) > _LONG:
        return await asyncio.to_thread(apply_to_values, guards, value)
    return apply_to_values(guards, value)


def blocked(kind: str, what: str) -> Blocked:
    """What a client is told of a guard: which one, never what it found."""
    return Blocked(
        f"The guard {kind} of this app does not let the {what} pass. Change what you send.",
        param="messages" if what == "request" else None,
        code="content_filter",
    )
