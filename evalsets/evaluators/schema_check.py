"""A JSON text against a JSON schema, without network and in bounded time.

Every keyword looks at the clock, because references can branch without end; patterns run through
`patterns.py`, because schemas bring regular expressions along.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend, validator_for
from jsonschema_specifications import REGISTRY
from referencing.exceptions import Unresolvable

from core.canonical import Json, canonical_json
from evalsets.evaluators.patterns import PatternError, find

SECONDS = 1.0
_Check = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]
_deadline: ContextVar[float] = ContextVar("_deadline", default=float("inf"))


def check_schema(schema: Mapping[str, Json]) -> None:
    """Raise ValueError, saying where, for what is no JSON schema or cannot be checked safely."""
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(dict(schema))
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its top"
        raise ValueError(f"no JSON schema at {where}: {error.message[:200]}") from None
    except RecursionError:
        raise ValueError("the schema is nested too deep") from None
    if _has_key(schema, "patternProperties"):
        raise ValueError("patternProperties is not supported; list the properties instead")


def violation(text: str, schema: Mapping[str, Json]) -> str | None:
    """Why `text` is no JSON that fits `schema`; null if it fits.

    Raises TimeoutError when the schema takes too long, ValueError when it refers to something
    outside itself.
    """
    try:
        instance = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        return "nested too deep to be read"
    except ValueError as error:
        return f"not JSON: {error}"
    token = _deadline.set(time.monotonic() + SECONDS)
    try:
        error = next(_validator(schema).iter_errors(instance), None)
    except Unresolvable as missing:
        raise ValueError(f"the schema refers to {missing.ref[:100]!r} outside itself") from None
    except RecursionError:
        raise TimeoutError("the schema refers to itself without end") from None
    except ArithmeticError:
        raise ValueError("a number is too large to be compared") from None
    except PatternError as error:
        raise ValueError(f"a pattern in the schema is {error}") from None
    finally:
        _deadline.reset(token)
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path)) or "the top"
    return f"at {where}: {_short(error.message)}"


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:120]} … {message[-170:]}"


def _validator(schema: Mapping[str, Json]) -> Any:
    base = validator_for(schema, default=Draft202012Validator)
    return _bounded(base)(schema, registry=REGISTRY)


@lru_cache(maxsize=8)
def _bounded(base: Any) -> Any:
    own: dict[str, _Check] = {"pattern": _pattern, "uniqueItems": _unique_items}
    checks: dict[str, _Check] = {**base.VALIDATORS, **own}
    return extend(base, {name: _timed(check) for name, check in checks.items()})


def _timed(check: _Check) -> _Check:
    def timed(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if time.monotonic() > _deadline.get():
            raise TimeoutError("the schema takes too long to check")
        yield from check(validator, value, instance, schema) or ()

    return timed


def _pattern(validator: Any, value: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and find(value, instance).text is None:
        yield ValidationError(f"{instance[:100]!r} does not match {value!r}")


def _unique_items(validator: Any, wanted: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    """By the items' JSON, because comparing each with each takes minutes for some thousands."""
    if wanted and validator.is_type(instance, "array"):
        seen = {canonical_json(_with_whole_numbers(item)) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError("has items that are equal")


def _with_whole_numbers(value: Json) -> Json:
    """1.0 as 1: to a JSON schema they are equal."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_with_whole_numbers(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    return value


def _has_key(value: object, key: str) -> bool:
    if isinstance(value, Mapping):
        return key in value or any(_has_key(member, key) for member in value.values())
    return isinstance(value, list) and any(_has_key(member, key) for member in value)
