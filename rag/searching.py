"""Search of bases by name: which snapshot, which index, what the asker may find, and the hits."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.database import Database
from core.errors import Invalid, Unavailable
from rag.access import Allowed, rule_of
from rag.embedder_settings import MiniLM
from rag.embedders import Embedder, Reranker, open_reranker
from rag.found import FoundChunk, found_chunks
from rag.index_home import index_home
from rag.loading import IndexKey, LoadedIndex, index_key, load_index
from rag.models import KnowledgeBase, Snapshot
from rag.opening import open_for
from rag.recent import Recent
from rag.search import Hit, reranked, search
from rag.search_settings import SearchSettings
from rag.service import get
from rag.snapshots import get_snapshot

INDEXES_KEPT = 8
VECTORS_KEPT = 2048
SEARCHES_KEPT = 64


@dataclass(frozen=True)
class FoundHit(FoundChunk):
    """A chunk with why it was found."""

    hit: Hit


@dataclass(frozen=True)
class Found:
    """What a search found, in which snapshot; `seconds` is the whole of it, embedding included."""

    kb: str
    snapshot: int
    query: str
    settings: SearchSettings
    seconds: float
    hits: tuple[FoundHit, ...]


class _Aim(NamedTuple):
    base: KnowledgeBase
    snapshot: Snapshot
    key: IndexKey
    rule: Allowed


class _Search(NamedTuple):
    """All that decides what a search finds."""

    aim: IndexKey
    rule: tuple[tuple[str, tuple[str, ...]], ...]
    settings: SearchSettings
    query: str


class _Asked(NamedTuple):
    """A query as its embedder reads it."""

    vector: NDArray[np.float32]
    trust: float


class Searcher:
    """Indexes and embedders of one process, loaded when first asked; safe to share by threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._indexes: OrderedDict[IndexKey, LoadedIndex] = OrderedDict()
        self._embedders: dict[str, Embedder] = {}
        self._packaged: Embedder | None = None
        self._reranker: Reranker | None = None
        self._vectors: Recent[tuple[str, str], _Asked] = Recent(VECTORS_KEPT)
        # Without texts: what is removed must not live on in memory.
        self._searches: Recent[_Search, tuple[Hit, ...]] = Recent(SEARCHES_KEPT)

    def close(self) -> None:
        """End the processes of embedders and Chroma."""
        with self._lock:
            embedders, self._embedders = list(self._embedders.values()), {}
            self._packaged = None
            reranker, self._reranker = self._reranker, None
            indexes, self._indexes = list(self._indexes.values()), OrderedDict()
        for loaded in indexes:
            loaded.chunks.close()
        for one in (*embedders, *([reranker] if reranker else [])):
            one.close()

    def search(
        self,
        kb: str,
        query: str,
        settings: SearchSettings | None = None,
        *,
        snapshot: int | None = None,
        subject: str | None = None,
        keep: bool = False,
    ) -> Found:
        """The best passages of a base, of its newest snapshot or a given one.

        Without settings those of the base hold. `subject` (user:NAME or key:ID) is whose access
        rule applies; None is a command or the administrator. With `keep` it is one that `recall`
        knows for a while. Raises NotFound, Invalid, Unavailable.
        """
        began = time.perf_counter()
        query = _legal(query)
        aim = self._aim(kb, snapshot, subject)
        settings = settings or saved_settings(aim.base)
        hits, _ = self._hits(aim, query, settings)
        if keep:
            self._searches.put(_search(aim, settings, query), tuple(hits))
        return self._found(aim, query, settings, hits, began)

    def recall(
        self,
        kb: str,
        query: str,
        settings: SearchSettings | None = None,
        *,
        subject: str | None = None,
    ) -> Found | None:
        """What `search` would find, where one that was kept says so; nothing is searched.

        None too where snapshot, access rule or settings are others since. Raises NotFound, Invalid.
        """
        began = time.perf_counter()
        query = _legal(query)
        aim = self._aim(kb, None, subject)
        settings = settings or saved_settings(aim.base)
        hits = self._searches.get(_search(aim, settings, query))
        return None if hits is None else self._found(aim, query, settings, hits, began)

    def _found(
        self,
        aim: _Aim,
        query: str,
        settings: SearchSettings,
        hits: Sequence[Hit],
        began: float,
    ) -> Found:
        shown = self._shown(hits)
        seconds = round(time.perf_counter() - began, 6)
        return Found(aim.base.name, aim.snapshot.number, query, settings, seconds, shown)

    def ranking(
        self, kb: str, query: str, settings: SearchSettings, *, snapshot: int | None = None
    ) -> "Ranked":
        """Names of the documents found, best first and each once, and what it took."""
        began = time.perf_counter()
        aim = self._aim(kb, snapshot, None)
        hits, loaded = self._hits(aim, _legal(query), settings)
        names = dict.fromkeys(loaded.names[hit.document] for hit in hits)
        return Ranked(tuple(names), time.perf_counter() - began)

    def _aim(self, kb: str, number: int | None, subject: str | None) -> _Aim:
        with self._database.read_scope() as session:
            base = get(session, kb)
            snapshot = get_snapshot(session, base, number)
            rule = rule_of(session, base, subject)
            return _Aim(base, snapshot, index_key(base, snapshot.number), rule)

    def _hits(
        self, aim: _Aim, query: str, settings: SearchSettings
    ) -> tuple[list[Hit], LoadedIndex]:
        loaded = self._index(aim)
        asked = None if settings.mode == "lexical" else self._vector(aim.snapshot, query)
        where: dict[str, list[str]] = {}
        for name, value in settings.where:
            where.setdefault(name, []).append(value)
        allowed = loaded.metas.mask([aim.rule, where])
        hits = search(
            loaded.chunks,
            query,
            asked.vector if asked else None,
            settings,
            allowed,
            dense_trust=asked.trust if asked else 1.0,
        )
        return (self._reranked(query, hits, settings) if settings.rerank else hits), loaded

    def _reranked(self, query: str, hits: list[Hit], settings: SearchSettings) -> list[Hit]:
        with self._loading:
            if self._reranker is None:
                path = self._database.settings.reranker
                self._reranker = open_reranker(None if path is None else str(path.expanduser()))
            reranker = self._reranker
        with self._database.read_scope() as session:
            chunks = found_chunks(session, [hit.chunk_id for hit in hits])
        hits = [hit for hit in hits if hit.chunk_id in chunks]
        texts = [chunks[hit.chunk_id].text for hit in hits]
        return reranked(hits, reranker.scores(query, texts), settings)

    def _index(self, aim: _Aim) -> LoadedIndex:
        with self._lock:
            loaded = self._indexes.get(aim.key)
            if loaded is not None:
                self._indexes.move_to_end(aim.key)
                return loaded
        with self._loading:  # one load at a time: two of one base would be the same work twice
            with self._lock:
                loaded = self._indexes.get(aim.key)
            if loaded is None:
                home = index_home(self._database, aim.base, aim.snapshot)
                large = self._database.settings.chroma_from
                with self._database.read_scope() as session:
                    loaded = load_index(session, aim.base, aim.snapshot, home, large)
                self._keep(loaded)
        return loaded

    def _keep(self, loaded: LoadedIndex) -> None:
        with self._lock:
            outdated = [key for key in self._indexes if _outdated(key, loaded.key)]
            gone = [self._indexes.pop(key) for key in outdated]
            self._indexes[loaded.key] = loaded
            while len(self._indexes) > INDEXES_KEPT:
                gone.append(self._indexes.popitem(last=False)[1])
        for old in gone:
            old.chunks.close()

    def _vector(self, snapshot: Snapshot, query: str) -> _Asked:
        key = (snapshot.fingerprint, query)
        known = self._vectors.get(key)
        if known is None:
            embedder = self.embedder(snapshot.embedder, snapshot.fingerprint)
            known = _Asked(embedder.embed_query(query), embedder.trust(query))
            self._vectors.put(key, known)
        return known

    def embedder(self, settings: Mapping[str, Any], fingerprint: str) -> Embedder:
        """The embedder that made a base's vectors; raises Unavailable when it has changed."""
        with self._loading:
            embedder = self._embedders.get(fingerprint)
            if embedder is None:
                embedder = open_for(self._database, settings)
                if embedder.fingerprint != fingerprint:
                    embedder.close()
                    raise Unavailable(
                        "The embedder is not the one that made this base's vectors: the model has "
                        "changed. Put it back, or make new vectors with `promptstone kb reindex`."
                    )
                self._embedders[fingerprint] = embedder
        return embedder

    def packaged_embedder(self) -> Embedder:
        """The embedder that comes with the house, shared with the bases that use it."""
        with self._loading:
            if self._packaged is None:
                embedder = open_for(self._database, MiniLM().model_dump())
                self._packaged = self._embedders.setdefault(embedder.fingerprint, embedder)
                if self._packaged is not embedder:
                    embedder.close()
            return self._packaged

    def _shown(self, hits: Sequence[Hit]) -> tuple[FoundHit, ...]:
        with self._database.read_scope() as session:
            chunks = found_chunks(session, [hit.chunk_id for hit in hits])
        return tuple(
            FoundHit(**vars(chunk), hit=hit)
            for hit in hits
            if (chunk := chunks.get(hit.chunk_id)) is not None
        )


class Ranked(NamedTuple):
    """A ranking for measuring."""

    documents: tuple[str, ...]
    seconds: float


def saved_settings(base: KnowledgeBase) -> SearchSettings:
    """What a base's searches take when they name nothing."""
    return SearchSettings(**base.retrieval)


def _search(aim: _Aim, settings: SearchSettings, query: str) -> _Search:
    rule = tuple(sorted((name, tuple(values)) for name, values in aim.rule.items()))
    return _Search(aim.key, rule, settings, query)


def _outdated(key: IndexKey, newer: IndexKey) -> bool:
    """Rows that vanished must not live on in memory."""
    return key.base_id == newer.base_id and key.epoch != newer.epoch


def _legal(query: str) -> str:
    if not query.strip():
        raise Invalid("The query is empty. Ask something.", param="query")
    if len(query) > 20_000:
        raise Invalid("The query has more than 20,000 characters. Shorten it.", param="query")
    return query
