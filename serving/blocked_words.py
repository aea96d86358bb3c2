"""Listed words and phrases in a text, all at once and in one pass.

Aho & Corasick, "Efficient string matching" (1975): time is linear in the text, however many words
are listed.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import regex

from serving.folding import Span, fold

# A letter that a word goes on with; scripts without word borders have none.
_GOES_ON = regex.compile(
    r"[[\p{L}\p{M}\p{N}_]--[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}"
    r"\p{Myanmar}\p{Tibetan}]]",
    regex.VERSION1,
)


class Hit(NamedTuple):
    """A listed word at folded[start:end]; `word` as it was listed."""

    span: Span
    word: str


class WordFinder:
    """Finds listed words, whole, without case, width and hidden characters."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words: list[tuple[str, int]] = [("", 0)]
        self._next: list[dict[str, int]] = [{}]
        self._ends: list[int] = [0]
        for word in words:
            self._add(word)
        self._fail = [0] * len(self._next)
        self._shorter = [0] * len(self._next)
        self._link()

    def _add(self, word: str) -> None:
        folded = fold(word).replace("\n", " ").strip(" ")
        if not folded:
            return
        state = 0
        for letter in folded:
            if letter not in self._next[state]:
                self._next[state][letter] = len(self._next)
                self._next.append({})
                self._ends.append(0)
            state = self._next[state][letter]
        if not self._ends[state]:
            self._ends[state] = len(self._words)
            self._words.append((word, len(folded)))

    def _link(self) -> None:
        """Where to go on when a letter does not fit, and the next shorter word that ends here."""
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for letter, child in self._next[state].items():
                self._fail[child] = self._after(self._fail[state], letter)
                waiting.append(child)
            back = self._fail[state]
            self._shorter[state] = back if self._ends[back] else self._shorter[back]

    def _after(self, state: int, letter: str) -> int:
        while (found := self._next[state].get(letter)) is None and state:
            state = self._fail[state]
        return found or 0

    def hits(self, folded: str) -> list[Hit]:
        """Whole words of a folded text, ascending and apart; the longer of two that overlap."""
        kept: list[Hit] = []
        for hit in self._whole(folded.replace("\n", " ")):
            while kept and kept[-1].span.start >= hit.span.start:
                kept.pop()
            if not kept or kept[-1].span.end <= hit.span.start:
                kept.append(hit)
        return kept

    def _whole(self, text: str) -> Iterator[Hit]:
        """The longest whole word that ends at each place."""
        follow, state = self._next, 0
        for at, letter in enumerate(text):
            found = follow[state].get(letter)
            if found is None:
                found = self._after(state, letter) if state else 0
            state = found
            ending = state if self._ends[state] else self._shorter[state]
            if ending and not _cut(text, at + 1):
                while ending:
                    word, length = self._words[self._ends[ending]]
                    start = at + 1 - length
                    if not _cut(text, start):
                        yield Hit(Span(start, at + 1), word)
                        break
                    ending = self._shorter[ending]


def _cut(text: str, at: int) -> bool:
    """Whether a word goes on over this place."""
    return 0 < at < len(text) and bool(_GOES_ON.match(text, at - 1) and _GOES_ON.match(text, at))
