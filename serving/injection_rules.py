"""How attempts to give a model other instructions are put together, in any language.

Patterns match what `fold_accents` makes of a text. Every gap is bounded, so each takes linear time.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from serving.folding import fold_accents

SHORTEST, LONGEST = 1, 4
"""Letters of a word by which rules are looked up."""
_WORDS = Path(__file__).with_name("injection_words.toml")
_LITERAL = re.compile(r"[^\W_]+")


class Rule(NamedTuple):
    """Points for a place. `keys`: how the words begin at which it can match; none: anywhere.

    Rules of one name count once. A text without any of `needs` cannot match.
    """

    name: str
    weight: int
    keys: frozenset[str]
    needs: tuple[str, ...]
    pattern: str


class Language(NamedTuple):
    """What `injection_words.toml` has for one.

    `ignore` … `before` … `rules` and `show` … `secret` (or `yours`) … `prompt` stand in one
    sentence within `reach` characters, the middle one anywhere.
    """

    ignore: str
    before: str
    rules: str
    show: str
    secret: str
    yours: str
    prompt: str
    persona: str
    unbound: str
    reach: int = 80
    spaced: bool = True


def any_of(words: str) -> str:
    """One of these, anywhere."""
    folded = (fold_accents(word).replace("_", "[ \n]") for word in words.split())
    return rf"(?:{'|'.join(folded)})"


def word_of(words: str) -> str:
    """One of these as a whole word."""
    return rf"\b{any_of(words)}\b"


MACHINE = word_of(
    "ai llms? language_models? (?:ai_)?assistants? chatbots? (?:chat)?gpt claude gemini bots?"
    " models? summari[sz]ers? agents? copilot"
)


def words_rule(name: str, weight: int, first: str, *rest: str) -> Rule:
    """A rule that begins with one of the words `first`; none of them begins with a group."""
    keys = frozenset(map(_key, first.split()))
    return Rule(name, weight, keys, (), word_of(first) + "".join(rest))


def form_rule(name: str, weight: int, needs: str, *parts: str) -> Rule:
    """A rule that may begin with anything."""
    wanted = tuple(fold_accents(each).replace("_", " ") for each in needs.split())
    return Rule(name, weight, frozenset(), wanted, "".join(parts))


def _key(word: str) -> str:
    folded = fold_accents(word).replace("_", " ")
    literal = _LITERAL.match(folded)
    assert literal is not None, word
    end = literal.end() - (folded[literal.end() : literal.end() + 1] in ("?", "*", "{"))
    assert end >= SHORTEST, word
    return literal.group()[: min(end, LONGEST)]


def gap(most: int) -> str:
    """Up to so many words of the same sentence, then a blank."""
    return rf"(?:[ \n][^\s.!?;]{{1,30}}){{0,{most}}}?[ \n][\"'“‘«(\[*]?"


def languages() -> list[Language]:
    """Those whose words are listed."""
    return [Language(**words) for words in tomllib.loads(_WORDS.read_text("utf-8")).values()]


def rules_of(spoken: Language) -> Iterator[Rule]:
    """The rules that every language has."""
    yield _three("override", 3, spoken, spoken.ignore, spoken.before, spoken.rules)
    yield _three("leak", 3, spoken, spoken.show, spoken.secret, spoken.prompt)
    yield _three("leak", 2, spoken, spoken.show, spoken.yours, spoken.prompt)
    yield _one("persona", spoken, spoken.persona)
    yield _one("unbound", spoken, spoken.unbound)


def _three(name: str, weight: int, spoken: Language, first: str, middle: str, last: str) -> Rule:
    near = rf"[^.!?;。！？]{{0,{spoken.reach}}}?"
    if spoken.spaced:
        sought = (rf"(?!-)(?={near}{word_of(middle)})", near, any_of(last), r"\b")
        return words_rule(name, weight, first, *sought)
    sought = (any_of(first), rf"(?={near}{any_of(middle)})", near, any_of(last))
    return form_rule(name, weight, last, *sought)


def _one(name: str, spoken: Language, words: str) -> Rule:
    if spoken.spaced:
        return words_rule(name, 2, words)
    return form_rule(name, 2, "你 限制 模式 约束 約束 规则 道德 审查 審查 过滤", any_of(words))
