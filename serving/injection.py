"""Whether a text tries to give the model other instructions: a heuristic, not a wall.

Known phrases and forms in nine languages give points, also where they are disguised; points that
stand close together are added. What is worded in a new way passes, and a text that quotes an attack
in order to speak about it may be caught: keep secrets out of prompts, whatever this says.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import regex

from serving.folding import Span
from serving.injection_disguises import HIDDEN_RUN, Reading, readings, tags
from serving.injection_forms import FORMS
from serving.injection_orders import ORDERS
from serving.injection_rules import LONGEST, SHORTEST, Rule, languages, rules_of

THRESHOLD = 3
CLOSE = 800
"""Characters within which points are added."""
QUOTED = 80
"""Characters between a quotation mark and what it quotes."""
_WORD = re.compile(r"[^\W_]+")
_SPEAKS_ABOUT = regex.compile(
    r"\b(?:injections?|jailbreak(?:s|ing)?|attack(?:s|ers?)?|phrases?|examples?|for instance"
    r"|such as|e\.g\.|detect(?:s|ing|ion)?|papers?|articles?|blog|classif\w+|angriffe?|beispiele?"
    r"|attaques?|exemples?|ataques?|ejemplos?|frases?|attacchi|esempio|exemplo"
    r"|атак\w*|пример\w*|фраз\w*)\b"
    r"|注入|攻击|越狱|例如|比如|检测|论文|文章|这句|هجوم|هجمات|حقن|مثل|عباره"
)
_OPENED = re.compile(r"""(?:^|[\s(:,])["'][^\n"]*$|[“‘«「『`„][^\n]*$""")
_CLOSED = re.compile(r"""^[^\n"]*["'](?:$|[\s.,;:!?)])|^[^\n]*[”’»」』`“]""")


class Hit(NamedTuple):
    """A rule that fitted; `span` is its place in the text, of a disguise all of it."""

    name: str
    weight: int
    span: Span


def attempts(text: str) -> list[Hit]:
    """The hits that together reach the threshold, by place; none if they stay below."""
    hits = sorted(_all_hits(text), key=lambda hit: hit.span)
    near: Counter[tuple[str, int]] = Counter()
    points, first, counted_to = 0, 0, 0
    counted: list[Hit] = []
    for last, hit in enumerate(hits):
        near[hit.name, hit.weight] += 1
        changed = near[hit.name, hit.weight] == 1
        while hit.span.start - hits[first].span.start > CLOSE:
            near[hits[first].name, hits[first].weight] -= 1
            changed |= not near[hits[first].name, hits[first].weight]
            first += 1
        points = _points(near) if changed else points
        if points >= THRESHOLD:
            counted += hits[max(first, counted_to) : last + 1]
            counted_to = last + 1
    return counted


def _points(near: Counter[tuple[str, int]]) -> int:
    best: dict[str, int] = {}
    for (name, weight), count in near.items():
        if count:
            best[name] = max(best.get(name, 0), weight)
    return sum(best.values())


def _all_hits(text: str) -> Iterator[Hit]:
    plain: set[str] = set()
    for reading in readings(text):
        for hit in _hits(reading):
            if not reading.disguised:
                plain.add(hit.name)
                yield hit
            elif not (reading.again and hit.name in plain):
                yield hit
                yield Hit("disguised", 1, hit.span)
    for span in tags(text):
        yield Hit("tag_characters", THRESHOLD, span)
    for match in HIDDEN_RUN.finditer(text):
        yield Hit("hidden_characters", THRESHOLD, Span(*match.span()))


def _hits(reading: Reading) -> list[Hit]:
    matches = [(rule, Span(*match.span())) for rule, match in _matches(reading.text)]
    if not matches:
        return []
    about = [match.start() for match in _SPEAKS_ABOUT.finditer(reading.text)]
    found: list[Hit] = []
    for rule, span in matches:
        weight = rule.weight - (2 if _spoken_about(reading.text, span, about) else 0)
        if weight > 0:
            found.append(Hit(rule.name, weight, span))
    found.sort(key=lambda hit: hit.span)
    spans = reading.place([hit.span for hit in found])
    return [hit._replace(span=span) for hit, span in zip(found, spans, strict=True)]


class _Rules(NamedTuple):
    """Compiled rules: those that may match anywhere, and the others by how a word begins."""

    anywhere: list[tuple[Rule, re.Pattern[str]]]
    by_key: dict[str, list[tuple[Rule, re.Pattern[str]]]]


@lru_cache(maxsize=1)
def _rules() -> _Rules:
    """Compiled when first asked: most commands that read settings never check a text."""
    made = _Rules([], defaultdict(list))
    for rule in (*FORMS, *ORDERS, *chain.from_iterable(map(rules_of, languages()))):
        compiled = (rule, re.compile(rule.pattern))
        for key in rule.keys:
            made.by_key[key].append(compiled)
        if not rule.keys:
            made.anywhere.append(compiled)
    return made


def _matches(text: str) -> Iterator[tuple[Rule, re.Match[str]]]:
    rules = _rules()
    for rule, pattern in rules.anywhere:
        if any(need in text for need in rule.needs):
            yield from ((rule, match) for match in pattern.finditer(text))
    for word in _WORD.finditer(text):
        letters, start = word.group(), word.start()
        for size in range(SHORTEST, min(len(letters), LONGEST) + 1):
            for rule, pattern in rules.by_key.get(letters[:size], ()):
                if match := pattern.match(text, start):
                    yield rule, match


def _spoken_about(text: str, span: Span, about: list[int]) -> bool:
    """Whether a place stands in quotes, in a text that speaks of attacks or examples nearby."""
    next_about = bisect_left(about, span.start - CLOSE // 2)
    if next_about == len(about) or about[next_about] > span.end + CLOSE // 2:
        return False
    before = text[max(0, span.start - QUOTED) : span.start]
    return bool(_OPENED.search(before) and _CLOSED.search(text[span.end : span.end + QUOTED]))
