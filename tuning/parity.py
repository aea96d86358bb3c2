"""The parity certificate: what a server answers, held against the trainer's own model.

Both get the same messages and answer greedily. Equal token ids in say that the chat template is
the same, equal tokens out that the weights and the arithmetic are.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.backends.asking import Address, Reply, ask
from connectors.client import CheckedClient
from core.errors import Invalid, Unavailable
from tuning.spec import REFERENCE, Answered, Reference

AT_ONCE = 4
_SECONDS = 300.0
_TOKENS = 32
_MOST_SHOWN = 5
NEAR_NATS = 0.25
"""Logits of 16 to 32 in bfloat16 stand an eighth apart: two kernels differ by a step or two."""


class Difference(BaseModel):
    """The first token (from 0) at which both part, and both whole answers.

    `where` is the prompt's tokens or the answer's; `margin` how many nats the trainer's token was
    ahead of its next best one there.
    """

    model_config = ConfigDict(frozen=True)

    prompt: int
    where: Literal["prompt", "answer"]
    token: int
    trainer: str
    server: str
    margin: float | None = None


class Certificate(BaseModel):
    """How many of `prompts` had the same tokens in, and the same answer out.

    `near_ties` are answers that part where the trainer's two best tokens were as good as equal
    (NEAR_NATS): what rounding decides, not the weights.
    """

    model_config = ConfigDict(frozen=True)

    prompts: int
    token_ids_equal: int
    answers_equal: int
    near_ties: int = 0
    differences: tuple[Difference, ...] = ()


class Served(NamedTuple):
    """What a server made of a prompt: its tokens, and those of its answer."""

    prompt_ids: Sequence[int]
    answer_ids: Sequence[int]
    text: str


def read_reference(folder: Path) -> Reference | None:
    """What the trainer left beside the weights; None of a model that answers nothing."""
    try:
        return Reference.model_validate_json((folder / REFERENCE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise Invalid(f"The adapter's {REFERENCE} cannot be read. Train it again.") from error


def compare(reference: Reference, served: Sequence[Served]) -> Certificate:
    """Prompt by prompt; an answer that the trainer had to cut short counts as far as it goes."""
    differences: list[Difference] = []
    same_in = same_out = near = 0
    for number, (own, other) in enumerate(zip(reference.answers, served, strict=True)):
        into = _first(own.prompt_ids, other.prompt_ids)
        out = _answers_part(reference, own, other)
        same_in += into is None
        same_out += out is None
        where, token = ("prompt", into) if into is not None else ("answer", out)
        margin = None if into is not None else _lead(own, out)
        near += margin is not None and margin <= NEAR_NATS
        if token is not None and len(differences) < _MOST_SHOWN:
            differences.append(Difference(
                prompt=number, where=where, token=token, trainer=own.text, server=other.text,
                margin=margin,
            ))  # fmt: skip
    return Certificate(
        prompts=len(served),
        token_ids_equal=same_in,
        answers_equal=same_out,
        near_ties=near,
        differences=tuple(differences),
    )


def _lead(own: Answered, token: int | None) -> float | None:
    return None if token is None or token >= len(own.margins) else own.margins[token]


def _answers_part(reference: Reference, own: Answered, other: Served) -> int | None:
    ended = bool(own.answer_ids) and own.answer_ids[-1] in reference.end_ids
    left = _without_end(own.answer_ids, reference.end_ids)
    right = _without_end(other.answer_ids, reference.end_ids)
    return _first(left, right if ended else right[: len(left)])


def _without_end(ids: Sequence[int], ends: Sequence[int]) -> Sequence[int]:
    return ids[:-1] if ids and ids[-1] in ends else ids


def _first(left: Sequence[int], right: Sequence[int]) -> int | None:
    """The first place at which two sequences part."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return None if len(left) == len(right) else min(len(left), len(right))


async def certify(
    client: CheckedClient, at: Address, model: str, reference: Reference
) -> Certificate:
    """Ask a server the reference's prompts. Raises Unavailable when it does not answer."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(own: Answered) -> Served:
        body = {
            "model": model, "messages": own.messages, "temperature": 0, "max_tokens": _TOKENS,
            "return_token_ids": True,
        }  # fmt: skip
        async with gate:
            return _read(await ask(client, at, "v1/chat/completions", body, seconds=_SECONDS))

    return compare(reference, await asyncio.gather(*map(one, reference.answers)))


def _read(reply: Reply) -> Served:
    if reply.status != 200:
        why = reply.said if reply.status else "no answer"
        raise Unavailable(f"The server did not answer a prompt ({why}). Look at its log.")
    try:
        body = orjson.loads(reply.body)
        choice = body["choices"][0]
        ids = cast(list[int], choice["token_ids"])
        return Served(body["prompt_token_ids"], ids, choice["message"]["content"] or "")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Unavailable(
            "The server does not tell the tokens of its answers. Install a newer vLLM."
        ) from error
