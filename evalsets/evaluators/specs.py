"""Evaluators as people name them: `kind`, `kind:argument`, or a YAML file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

import orjson
import yaml
from pydantic import TypeAdapter, ValidationError
from yaml.composer import ComposerError
from yaml.events import AliasEvent

from core.errors import Invalid
from evalsets.evaluators.kinds import JUDGES, Evaluator, Scorer
from evalsets.evaluators.subjects import EvaluatorSettings
from evalsets.verdicts.gates import FIGURES

KINDS: dict[str, type[EvaluatorSettings]] = {
    kind.model_fields["kind"].default: kind for kind in (*get_args(Scorer), *JUDGES)
}
_ARGUMENT = {
    "exact": "value",
    "contains": "value",
    "regex": "pattern",
    "json_path": "path",
    "tool_call": "tool",
    "similarity": "threshold",
    "rouge": "threshold",
    "bleu": "threshold",
    "chrf": "threshold",
    "length": "max",
    "latency": "max",
    "cost": "max",
    "checks": "column",
    "python": "file",
    "judge": "rubric",
    "pairwise": "rubric",
    "context_recall": "column",
    "refused": "tag",
    "faithfulness": "model",
    "answer_relevance": "model",
}
"""The field that a bare `kind:argument` sets; `json_schema` takes a file."""
_PAIRED = ("length", "latency", "cost", "similarity", "rouge", "bleu", "chrf", "tool_call")
_MAX_FILE = 1 << 20
_adapter: TypeAdapter[Evaluator] = TypeAdapter(Evaluator)


class _Loader(yaml.SafeLoader):
    """No aliases, which multiply; `yes` and `no` are texts, as in YAML 1.2."""

    yaml_implicit_resolvers: ClassVar = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if not tag.endswith((":bool", ":timestamp"))
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(AliasEvent):
            mark = self.peek_event().start_mark
            raise ComposerError(None, None, "an alias; write the value out", mark)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def load_evaluator(settings: Mapping[str, Any]) -> Evaluator:
    """An evaluator from its settings as stored or posted; Invalid names the field."""
    try:
        return _adapter.validate_python(dict(settings))
    except ValidationError as error:
        raise Invalid(_why(error, settings), param="evaluator") from None


def parse_evaluator(text: str) -> Evaluator:
    """`exact`, `contains:yes`, `length:max=80,unit=words`, `json_schema:FILE`, or a YAML file.

    Raises Invalid with what is known.
    """
    kind, colon, argument = text.strip().partition(":")
    if kind in KINDS:
        return load_evaluator({"kind": kind, **(_arguments(kind, argument) if colon else {})})
    path = Path(text.strip())
    if path.suffix.lower() in (".yaml", ".yml"):
        return load_evaluator(_yaml(path))
    raise Invalid(
        f"{text.strip()[:80]!r} is no evaluator. Use one of {', '.join(KINDS)}, as KIND or "
        "KIND:ARGUMENT, or a YAML file.",
        param="evaluator",
    )


def named(evaluators: Sequence[Evaluator]) -> list[Evaluator]:
    """Each with a name of its own: what was given, else its kind, numbered from the second on."""
    given = [one.name for one in evaluators if one.name is not None]
    for name in given:
        if given.count(name) > 1 or name in FIGURES:
            why = "is a figure of every run" if name in FIGURES else "is used twice"
            raise Invalid(f"The evaluator name {name!r} {why}. Choose another.", param="evaluator")
    taken = set(given)
    return [one if one.name else _with_name(one, taken) for one in evaluators]


def _with_name(one: Evaluator, taken: set[str]) -> Evaluator:
    name, number = one.kind, 1
    while name in taken:
        number += 1
        name = f"{one.kind}-{number}"
    taken.add(name)
    return one.model_copy(update={"name": name})


def _arguments(kind: str, argument: str) -> dict[str, Any]:
    if kind == "json_schema":
        return {"definition": _json(Path(argument))}
    if kind in _PAIRED and "=" in argument:
        pairs = (part.partition("=") for part in argument.split(","))
        return {key.strip(): value.strip() for key, _, value in pairs}
    if not argument:
        raise Invalid(f"{kind}: needs a text after the colon. Add it, or drop the colon.")
    return {_ARGUMENT[kind]: argument}


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise Invalid(f"{path.name} has more than 1 MiB. Shorten it.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise Invalid(f"{path.name} cannot be opened ({reason}). Check the path.") from None


def _json(path: Path) -> Any:
    try:
        return orjson.loads(_content(path))
    except ValueError as error:
        raise Invalid(f"{path.name} is not JSON ({error}). Correct it.") from None


def _yaml(path: Path) -> dict[str, Any]:
    content = _content(path)
    try:
        found = _Loader(content).get_single_data()
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Invalid(f"{path.name}{where}: {error.problem}. Correct it.") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Invalid(f"{path.name} is not YAML. Correct it.") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise Invalid(f"{path.name} holds no settings. Write kind: exact, and one field a line.")
    return found


def _why(error: ValidationError, settings: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    kind = str(settings.get("kind"))
    if kind not in KINDS:
        return f"{kind[:60]!r} is no kind of evaluator. Use one of {', '.join(KINDS)}."
    field = ".".join(str(part) for part in first["loc"] if part != kind)
    if first["type"] == "extra_forbidden":
        known = ", ".join(KINDS[kind].model_fields)
        return f"The evaluator {kind} has no field {field!r}. Use {known}."
    if first["type"] == "missing":
        return f"The evaluator {kind} needs {field}. Add it ({kind}:TEXT sets its main field)."
    message = first["msg"].removeprefix("Value error, ")
    where = f" at {field}" if field else ""
    remedy = "" if "; " in message else " Correct it."
    return f"The evaluator {kind} is wrong{where}: {message[:300]}.{remedy}"
