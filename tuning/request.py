"""What a person types, as settings: one list of parameters for knobs, method, adapter and TRL."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from core.errors import Invalid
from tuning.methods import Adapter, Knobs, Method

_method: TypeAdapter[Method] = TypeAdapter(Method)
_adapter: TypeAdapter[Adapter] = TypeAdapter(Adapter)


class Asked(NamedTuple):
    """Settings of a training; `params` are those that only TRL knows."""

    method: Method
    adapter: Adapter
    knobs: Knobs
    params: dict[str, Any]


def settings_of(method: str, adapter: str, params: Mapping[str, object]) -> Asked:
    """Each parameter goes where its name is known, the rest to TRL. Raises Invalid naming it."""
    parts: dict[type[BaseModel], dict[str, object]] = {}
    kinds = [type(_checked(_method, method, {})), type(_checked(_adapter, adapter, {})), Knobs]
    rest: dict[str, Any] = {}
    for name, value in params.items():
        owner = next((kind for kind in kinds if name in kind.model_fields and name != "kind"), None)
        if owner is None:
            rest[name] = value
        else:
            parts.setdefault(owner, {})[name] = value
    made, given = parts.get(kinds[0], {}), parts.get(kinds[1], {})
    try:
        knobs = Knobs.model_validate(parts.get(Knobs, {}))
    except ValidationError as error:
        raise _wrong(error) from None
    return Asked(_checked(_method, method, made), _checked(_adapter, adapter, given), knobs, rest)


def params_of(text: str) -> dict[str, Any]:
    """Lines of KEY=VALUE; a value is JSON where it reads as such, else text. Raises Invalid."""
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, given, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not (name and given):
            raise Invalid(f"Line {number} is not KEY=VALUE: {line[:80]}. Correct it.")
        if name in found:
            raise Invalid(f"Line {number} sets {name[:80]} again. Remove one of the two.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _checked(form: TypeAdapter[Any], kind: str, given: Mapping[str, object]) -> Any:
    try:
        return cast(Any, form.validate_python({"kind": kind, **given}))
    except ValidationError as error:
        raise _wrong(error) from None


def _wrong(error: ValidationError) -> Invalid:
    first = error.errors()[0]
    name = str(first["loc"][-1]) if first["loc"] else "kind"
    return Invalid(f"{name}: {first['msg']}. Correct --param {name}=VALUE.", param=name)
