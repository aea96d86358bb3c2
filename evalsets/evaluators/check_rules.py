"""What each assertion of promptfoo means, as version 0.121 has it; one line of `RULES` each."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from evalsets.evaluators.overlap import Bleu, Rouge
from evalsets.evaluators.patterns import PatternError, check_pattern, find
from evalsets.evaluators.schema_check import check_schema, violation
from evalsets.evaluators.similarity import Similarity
from evalsets.evaluators.subjects import Subject


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in cast(list[Any], value)]


def _text(value: Any) -> str:
    """As JavaScript's String() writes what JSON can hold."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _equals(value: Any, subject: Subject) -> bool:
    if isinstance(value, (dict, list)):
        try:
            return bool(json.loads(subject.output) == value)
        except (ValueError, RecursionError):
            return False
    return subject.output == _text(value)


def _regex(value: Any, subject: Subject) -> bool | None:
    try:
        return find(str(value), subject.output).text is not None
    except (TimeoutError, PatternError):
        return None


def _is_json(value: Any, subject: Subject) -> bool | None:
    schema = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    try:
        return violation(subject.output, schema) is None
    except (ValueError, TimeoutError):
        return None


def _words(value: Any, subject: Subject) -> bool:
    count = len(subject.output.split())
    if not isinstance(value, dict):
        return count == value
    bounds = cast(dict[str, Any], value)
    return bounds.get("min", 0) <= count <= bounds.get("max", count)


def _latency(value: Any, subject: Subject) -> bool | None:
    return None if subject.latency_ms is None else subject.latency_ms <= value


def _cost(value: Any, subject: Subject) -> bool | None:
    return None if subject.cost is None else float(subject.cost) <= value


def _finish(value: Any, subject: Subject) -> bool | None:
    return None if subject.finish_reason is None else subject.finish_reason == value


def _folded(value: Any, subject: Subject) -> list[bool]:
    output = subject.output.lower()
    return [text.lower() in output for text in _texts(value)]


def _found(value: Any, subject: Subject) -> list[bool]:
    return [text in subject.output for text in _texts(value)]


def _nearest(make: Callable[[str], Similarity | Rouge | Bleu], value: Any, subject: Subject) -> Any:
    """The figure of the nearest of the texts; None where none could tell."""
    texts = _texts(value) if isinstance(value, list) else [_text(value)]
    found = [make(text).score(subject).value for text in texts]
    return max((one for one in found if one is not None), default=None)


_Rule = Callable[[Any, Subject], bool | None]
_Figure = Callable[[Any, Subject], float | None]
MEASURED = ("latency", "cost")
"""Rules that take the check's threshold, in milliseconds and US dollars, instead of a value."""
RULES: Mapping[str, _Rule] = {
    "equals": _equals,
    "contains": lambda value, subject: _text(value) in subject.output,
    "icontains": lambda value, subject: _text(value).lower() in subject.output.lower(),
    "contains-any": lambda value, subject: any(_found(value, subject)),
    "contains-all": lambda value, subject: all(_found(value, subject)),
    "icontains-any": lambda value, subject: any(_folded(value, subject)),
    "icontains-all": lambda value, subject: all(_folded(value, subject)),
    "starts-with": lambda value, subject: subject.output.startswith(_text(value)),
    "regex": _regex,
    "is-json": _is_json,
    "word-count": _words,
    "latency": _latency,
    "cost": _cost,
    "finish-reason": _finish,
}

DEFAULTS = {"similar": 0.75, "rouge-n": 0.75, "bleu": 0.5}
"""Thresholds of promptfoo where a check gives none."""
COMPARED: Mapping[str, _Figure] = {
    "similar": lambda value, subject: _nearest(lambda text: Similarity(value=text), value, subject),
    "rouge-n": lambda value, subject: _nearest(
        lambda text: Rouge(value=text, variant="rouge1"), value, subject
    ),
    "bleu": lambda value, subject: _nearest(lambda text: Bleu(value=text), value, subject),
}
"""Figures against a text, or the nearest of some, which a threshold from -1 to 1 decides."""
KNOWN = (*RULES, *COMPARED)


class Outcome(NamedTuple):
    """Whether an assertion holds, and its share of a weighted mean; None: cannot be answered."""

    holds: bool | None
    share: float | None = None


def outcome(kind: str, value: Any, threshold: float | None, subject: Subject) -> Outcome:
    """What a rule by name says; a figure against a text is its own share, others are 1 or 0."""
    if kind in COMPARED:
        figure = COMPARED[kind](value, subject)
        wanted = DEFAULTS[kind] if threshold is None else threshold
        return Outcome(None if figure is None else figure >= wanted, figure)
    found = RULES[kind](threshold if kind in MEASURED else value, subject)
    return Outcome(found, None if found is None else float(found))


def fit(kind: str, value: Any, threshold: float | None) -> None:
    """ValueError for a value that the rule called `kind` cannot use."""
    if kind in MEASURED:
        if threshold is None:
            raise ValueError(f"{kind} needs a threshold; add it")
    elif kind in COMPARED:
        _fit_compared(kind, value, threshold)
    elif kind.endswith(("-any", "-all")):
        if not isinstance(value, list) or not value:
            raise ValueError(f"{kind} needs a list of texts; add it")
    elif kind == "regex":
        if not isinstance(value, str):
            raise ValueError("regex needs a pattern; add it")
        check_pattern(value)
    elif kind == "is-json":
        if value is not None and not isinstance(value, dict):
            raise ValueError("is-json takes a JSON schema; write it as a map")
        check_schema(cast(dict[str, Any], value or {}))
    elif kind == "word-count":
        _fit_words(value)
    elif value is None or (value == "" and kind != "equals"):
        raise ValueError(f"{kind} needs a value; add it")


def _fit_compared(kind: str, value: Any, threshold: float | None) -> None:
    texts = cast(list[Any], value) if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{kind} needs a text, or a list of texts; add it")
    if threshold is not None and not -1 <= threshold <= 1:
        raise ValueError(f"the threshold of {kind} is a share; write it between 0 and 1")


def _fit_words(value: Any) -> None:
    numbers = cast(dict[str, Any], value).values() if isinstance(value, dict) else [value]
    known = not isinstance(value, dict) or {"min", "max"} >= cast(dict[str, Any], value).keys()
    whole = [isinstance(one, int) and not isinstance(one, bool) for one in numbers]
    if not (known and whole and all(whole)):
        raise ValueError("word-count takes a number, or a map of min and max; correct it")
