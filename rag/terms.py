"""Texts as terms for lexical search, in any script, without being told the language.

Folding: Unicode NFKD, accents and Arabic vowel signs removed, NFC, casefold. Scripts written
without spaces (Chinese, Japanese, Korean, Thai, ...) become overlapping character pairs and single
characters, other words stems. An Arabic word is also kept whole: its stemmer joins words of
different meaning, and the one that was meant should come first. Stop words stay in the index, so
that a query of nothing else finds its text, and are left out of a query that holds another word.
"""

import struct
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import regex
import Stemmer
from numpy.typing import NDArray

from rag.arabic import light_stem, normalise
from rag.stop_words import STOP_WORDS

VERSION = 1
LONGEST_WORD = 64
MOST_OF_ONE = 65535

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS = regex.compile(
    rf"(?P<run>[{_UNSPACED}][{_UNSPACED}\p{{M}}]*)|(?P<word>[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+)",
    regex.VERSION1,
)
# Accents of Latin, Greek and Cyrillic; vowel signs and the hamza above or below of Arabic.
_MARKS = regex.compile(r"[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640]+")
_ALPHABETS = (
    (regex.compile(r"\p{Latin}"), "english"),
    (regex.compile(r"\p{Cyrillic}"), "russian"),
    (regex.compile(r"\p{Greek}"), "greek"),
)
_ARABIC = regex.compile(r"\p{Arabic}")
_ASCII = regex.compile(r"[a-z0-9]+")


class Term(NamedTuple):
    """What is compared, and the folded piece of the text it stands for."""

    term: str
    word: str


def fold(text: str) -> str:
    """The text without what a reader would not tell apart when searching."""
    if text.isascii():
        return text.lower()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", bare).casefold()


def terms(text: str) -> list[str]:
    """The terms of a text in its order, repeats included."""
    return [term for term, _ in _split(text)]


def query_terms(text: str) -> list[Term]:
    """The terms of a query, each once; stop words only if there is nothing else."""
    found: dict[str, Term] = {}
    for term, word in _split(text):
        found.setdefault(term, Term(term, word))
    telling = [term for term in found.values() if term.word not in STOP_WORDS]
    return telling or list(found.values())


def _split(text: str) -> Iterator[tuple[str, str]]:
    for match in _WORDS.finditer(fold(text)):
        word = match.group()
        if match.lastgroup == "word":
            # A longer "word" is a hash or a blob: its beginning tells it apart.
            word = word[:LONGEST_WORD]
            yield stem(word), word
            if _ARABIC.match(word):
                yield f"={normalise(word)}", word
            continue
        for first, second in pairwise(word):
            yield first + second, first + second
        for character in word:
            yield character, character


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The stem of a folded word, by its alphabet."""
    if _ARABIC.match(word):
        return light_stem(normalise(word))
    for alphabet, language in _ALPHABETS:
        if alphabet.match(word):
            return _stemmer(language).stemWord(word)
    return word


@lru_cache(maxsize=8)
def _stemmer(language: str) -> Stemmer.Stemmer:
    stemmer = Stemmer.Stemmer(language)
    stemmer.maxCacheSize = 0
    return stemmer


@lru_cache(maxsize=200_000)
def term_hash(term: str) -> int:
    """64 bits of a term: among 10 million terms two alike are expected 0.000003 times."""
    return int.from_bytes(
        blake2b(term.encode("utf-8", "replace"), digest_size=8).digest(), "little"
    )


def packed(text: str) -> bytes:
    """The terms of a text as SQL keeps them: version byte, then hashes (u64), then counts (u16).

    Hashes ascend; all numbers are little endian; a count ends at 65,535.
    """
    counts = Counter(map(term_hash, terms(text)))
    hashes = sorted(counts)
    tally = [min(counts[hashed], MOST_OF_ONE) for hashed in hashes]
    return struct.pack(f"<B{len(hashes)}Q{len(hashes)}H", VERSION, *hashes, *tally)


class Packed(NamedTuple):
    """Terms of many texts, one after the other: `lengths[i]` of them belong to text i."""

    hashes: NDArray[np.uint64]
    counts: NDArray[np.uint16]
    lengths: NDArray[np.int64]


def unpack(blobs: Sequence[bytes]) -> Packed:
    """All packed texts as three arrays; raises ValueError when one has another version."""
    sizes = np.fromiter((len(blob) for blob in blobs), np.int64, len(blobs))
    if any(blob[:1] != bytes([VERSION]) for blob in blobs) or ((sizes - 1) % 10).any():
        raise ValueError("terms were packed by another version")
    lengths = (sizes - 1) // 10
    hashes = b"".join(blob[1 : 1 + 8 * n] for blob, n in zip(blobs, lengths.tolist(), strict=True))
    counts = b"".join(blob[1 + 8 * n :] for blob, n in zip(blobs, lengths.tolist(), strict=True))
    return Packed(np.frombuffer(hashes, "<u8"), np.frombuffer(counts, "<u2"), lengths)
