"""Passages drawn from a base by chance, evenly over its documents and within each."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from rag.access import Allowed, passes
from rag.found import FoundChunk, found_chunks
from rag.models import Chunk, Document, DocumentVersion
from rag.service import get
from rag.snapshots import visible


class Drawn(NamedTuple):
    """Chunks in the order of the draw, and how many documents there were to draw from."""

    chunks: list[FoundChunk]
    documents: int


def draw(
    session: Session,
    kb: str,
    wanted: int,
    allowed: Allowed,
    *,
    document: str | None = None,
    seed: int = 0,
    characters: int = 100_000,
) -> Drawn:
    """At most `wanted` enabled chunks of the newest snapshot, `characters` in all; seeded.

    Every document gives one before one gives a second; those of a document are spread over it.
    `document` is a name or an id. Documents that `allowed` does not pass are not there.
    """
    base = get(session, kb)
    rows = session.execute(
        select(col(Document.id), col(Document.name), col(Document.meta))
        .join(DocumentVersion, col(DocumentVersion.document_id) == col(Document.id))
        .where(col(Document.base_id) == base.id, visible(DocumentVersion, base.snapshot))
        .order_by(col(Document.name))
    )
    named = [
        key for key, name, meta in rows if document in (None, key, name) and passes(meta, allowed)
    ]
    chance = random.Random(seed)
    chance.shuffle(named)
    pools: list[list[str]] = []
    for key in named:
        if len(pools) == wanted:
            break
        if pool := _enabled(session, key, base.snapshot):
            pools.append(pool)
    chosen = _spread(pools, wanted, chance)
    known = found_chunks(session, chosen)
    kept: list[FoundChunk] = []
    left = characters
    for one in (known[key] for key in chosen if key in known):
        if one.text.strip() and len(one.text) <= left:
            kept.append(one)
            left -= len(one.text)
    return Drawn(kept, len(named))


def _enabled(session: Session, document_id: str, snapshot: int) -> list[str]:
    query = select(col(Chunk.id)).where(
        col(Chunk.document_id) == document_id, col(Chunk.enabled), visible(Chunk, snapshot)
    )
    return list(session.scalars(query.order_by(col(Chunk.position))))


def _spread(pools: Sequence[Sequence[str]], wanted: int, chance: random.Random) -> list[str]:
    """Turns over the pools; a pool that gives k gives one of each k-th part of it."""
    shares = [0] * len(pools)
    while sum(shares) < min(wanted, sum(map(len, pools))):
        for n, pool in enumerate(pools):
            if shares[n] < len(pool) and sum(shares) < wanted:
                shares[n] += 1
    picked = [_parts(pool, share, chance) for pool, share in zip(pools, shares, strict=True)]
    turns = max(shares, default=0)
    return [some[turn] for turn in range(turns) for some in picked if turn < len(some)]


def _parts(pool: Sequence[str], share: int, chance: random.Random) -> list[str]:
    size = len(pool)
    places = [chance.randrange(n * size // share, (n + 1) * size // share) for n in range(share)]
    chance.shuffle(places)
    return [pool[place] for place in places]
