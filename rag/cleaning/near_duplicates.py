"""Texts that nearly equal an earlier one: MinHash in bands (Broder 1997; Leskovec et al. 3)."""

import re
from collections.abc import Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

_PERMUTATIONS = 256
_SHINGLE = 3
_BLOCK = 2048
_BUCKET = 8
_MIXER = np.uint64(0x9E3779B97F4A7C15)
_NUMBER = re.compile(r"\d+")
# A word, or one character of the scripts that write no blanks between words.
_TOKEN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    r"\U00020000-\U0003ffff]|[^\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    r"\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]{1,64}+"
)
_GENERATOR = np.random.Generator(np.random.PCG64(20_200_613))
_FACTORS = _GENERATOR.integers(1, 2**63, _PERMUTATIONS, dtype=np.uint64) * 2 + 1
_SHIFTS = _GENERATOR.integers(0, 2**63, _PERMUTATIONS, dtype=np.uint64)

Signature = npt.NDArray[np.uint32]


K = TypeVar("K", bound=Hashable)


class _Fingerprint(NamedTuple):
    signature: Signature
    numbers: int


class NearDuplicates(Generic[K]):
    """Texts added one by one; each that nearly equals an earlier one is told at once.

    Alike means: at least `threshold` of the shingles of both (three words, or three characters of
    Chinese) are common to both, by 256 minima (standard error 0.02 at 0.9), and all numbers are the
    same: two lines of a price list differ in nothing else.
    """

    def __init__(self, threshold: float = 0.9) -> None:
        self._threshold = threshold
        self._rows = _rows(threshold)
        self._bands: list[dict[bytes, list[K]]] = [{} for _ in range(_PERMUTATIONS // self._rows)]
        self._kept: dict[K, _Fingerprint] = {}

    def add(self, key: K, text: str) -> K | None:
        """The key of the earlier text that this one nearly equals; else None, and it is kept.

        A text without a word or number is like no other.
        """
        fingerprint = _fingerprint(text)
        if fingerprint is None:
            return None
        places = [
            (band, part.tobytes())
            for band, part in zip(
                self._bands, fingerprint.signature.reshape(-1, self._rows), strict=True
            )
        ]
        earlier = self._earlier(places, fingerprint)
        if earlier is not None:
            return earlier
        self._kept[key] = fingerprint
        for band, part in places:
            bucket = band.setdefault(part, [])
            if len(bucket) < _BUCKET:
                bucket.append(key)
        return None

    def _earlier(
        self, places: list[tuple[dict[bytes, list[K]], bytes]], fingerprint: _Fingerprint
    ) -> K | None:
        candidates = dict.fromkeys(key for band, part in places for key in band.get(part, ()))
        for key in candidates:
            kept = self._kept[key]
            if kept.numbers == fingerprint.numbers:
                alike = np.count_nonzero(kept.signature == fingerprint.signature) / _PERMUTATIONS
                if alike >= self._threshold:
                    return key
        return None


def near_duplicates(texts: Sequence[str], threshold: float = 0.9) -> list[int | None]:
    """For each text the index of the earlier one that it nearly equals, else None."""
    seen: NearDuplicates[int] = NearDuplicates(threshold)
    return [seen.add(index, text) for index, text in enumerate(texts)]


def words(text: str) -> list[str]:
    """The words of a text, and each character of scripts without blanks, regardless of case."""
    return _TOKEN.findall(text.casefold())


def shingles(tokens: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hashes of three words each, every one once, ascending; none without a word."""
    if not tokens:
        return np.empty(0, np.uint64)
    hashes = np.fromiter((crc32(token.encode("utf-8", "replace")) for token in tokens), np.uint64)
    return _shingles(hashes)


def alike(a: str, b: str) -> float:
    """Jaccard index of the shingles of two texts; 1 for equal ones."""
    if a == b:
        return 1.0
    one, other = shingles(words(a)), shingles(words(b))
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / max(1, len(one) + len(other) - common)


def _rows(threshold: float) -> int:
    """The most rows a band with which 99 % of pairs at the threshold share a band."""
    for rows in (16, 8, 4):
        if 1 - (1 - threshold**rows) ** (_PERMUTATIONS // rows) >= 0.99:
            return rows
    return 2


def _fingerprint(text: str) -> _Fingerprint | None:
    tokens = words(text)
    if not tokens:
        return None
    numbers = "\0".join(_NUMBER.findall(text))
    return _Fingerprint(_signature(shingles(tokens)), hash(numbers))


def _shingles(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    size = min(_SHINGLE, len(hashes))
    mixed = np.zeros(len(hashes) - size + 1, np.uint64)
    for place in range(size):
        mixed = mixed * _MIXER + hashes[place : len(hashes) - size + 1 + place]
    mixed ^= mixed >> np.uint64(29)
    return np.unique(mixed)


def _signature(shingles: npt.NDArray[np.uint64]) -> Signature:
    """The least of each permutation: multiply-shift hashing (Dietzfelbinger et al. 1997)."""
    least = np.full(_PERMUTATIONS, np.iinfo(np.uint32).max, np.uint32)
    for start in range(0, len(shingles), _BLOCK):
        permuted = shingles[start : start + _BLOCK, None] * _FACTORS + _SHIFTS
        np.minimum(least, (permuted >> np.uint64(32)).astype(np.uint32).min(axis=0), out=least)
    return least
