"""What stands in an answer's JSON, and which tools it calls."""

import json
import re
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, Self, cast

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.canonical import Json
from evalsets.evaluators.patterns import PatternError, check_pattern, find
from evalsets.evaluators.said import object_said
from evalsets.evaluators.subjects import EvaluatorSettings, Score, Subject, passed, unscored
from prompts.fields import JsonObject

MAX_PATH = 500
MAX_FOUND = 1_000
MAX_ANSWER = 1_000_000
MAX_CALLS = 100
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n\s*```\s*", re.DOTALL)


class JsonPath(EvaluatorSettings):
    """1 when a JSONPath (RFC 9535) into the answer finds something, or what it should."""

    kind: Literal["json_path"] = "json_path"
    path: str = Field(min_length=1, max_length=MAX_PATH, description="As $.items[0].price.")
    test: Literal["exists", "equals", "matches"] = Field(
        default="exists", description="equals compares as JSON; matches is a regular expression."
    )
    value: str | None = Field(
        default=None, description="What to equal or match; the case's expected output if left out."
    )
    every: bool = Field(
        default=False, description="Whether all that the path finds must pass, instead of one."
    )

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str) -> str:
        _compiled(path)
        return path

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.test == "exists" and self.value is not None:
            raise ValueError("a value belongs to the tests equals and matches; choose one of them")
        if self.test == "matches" and self.value is not None:
            check_pattern(self.value)
        return self

    def score(self, subject: Subject) -> Score:
        """0 for an answer that is no JSON; unscored without a value to compare with."""
        wanted = subject.expected if self.value is None else self.value
        if self.test != "exists" and wanted is None:
            return unscored("the case has no expected output")
        fence = _FENCE.fullmatch(subject.output)
        try:
            document = json.loads(fence.group(1) if fence else subject.output[:MAX_ANSWER])
        except (ValueError, RecursionError):
            return passed(False, "the answer is no JSON")
        try:
            matches = _compiled(self.path).finditer(document)
            found = [match.obj for match in islice(matches, MAX_FOUND)]
            return self._told(found, wanted or "")
        except (JSONPathError, RecursionError) as error:
            return unscored(f"{self.path} cannot be followed: {type(error).__name__}")
        except PatternError as error:
            return unscored(f"the expected output is {error}")
        except TimeoutError:
            return unscored("the search took too long; simplify the pattern")

    def _told(self, found: list[Any], wanted: str) -> Score:
        if not found:
            return passed(False, f"{self.path} finds nothing")
        if self.test == "exists":
            return passed(True, f"{self.path} finds {_shown(found[0])}")
        held = [one for one in found if self._fits(one, wanted)]
        lost = next((one for one in found if one not in held), found[0])
        holds = len(held) == len(found) if self.every else bool(held)
        word = {"equals": "equals", "matches": "matches"}[self.test]
        if holds:
            return passed(True, f"{self.path}: {_shown(held[0])} {word} {wanted[:200]!r}")
        return passed(
            False, f"{self.path}: {_shown(lost)}, which is not what {word} {wanted[:200]!r}"
        )

    def _fits(self, one: Any, wanted: str) -> bool:
        text = one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
        if self.test == "matches":
            return find(wanted, text).text is not None
        return text == wanted or _same(one, _read(wanted))


def _read(text: str) -> Any:
    """JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON: true is no 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:200]


class _Environment(JSONPathEnvironment):
    """Without regular expressions of its own, which nothing would bound in time."""

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        for name in ("match", "search"):
            self.function_extensions.pop(name, None)


_ENVIRONMENT = _Environment()


@lru_cache(maxsize=256)
def _compiled(path: str) -> JSONPath:
    """ValueError for what is no path, or one that could take minutes."""
    if "=~" in path or path.count("..") > 1:
        raise ValueError("use at most one `..` and no regular expression in a path; shorten it")
    try:
        found = _ENVIRONMENT.compile(path)
    except (JSONPathError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path[:80]!r} is no JSONPath ({said}); write it as $.name[0]") from None
    if not isinstance(found, JSONPath):
        raise ValueError("paths joined by | or & are not taken; use an evaluator for each")
    return found


# -- calls of tools ---------------------------------------------------------------------------


class WantedCall(BaseModel):
    """A call that should be there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    arguments: JsonObject | None = None


class ToolCall(EvaluatorSettings):
    """1 when the answer calls the tools that it should, with the arguments that it should."""

    kind: Literal["tool_call"] = "tool_call"
    tool: str | None = Field(default=None, description="Name of one tool that must be called.")
    calls: tuple[WantedCall, ...] = Field(
        default=(),
        max_length=MAX_CALLS,
        description='For every case, as [{"name": …, "arguments": {…}}].',
    )
    column: str = Field(
        default="tool_calls",
        description="Column with the case's own calls; else its expected output, if that is JSON.",
    )
    arguments: Literal["subset", "equal", "ignore"] = Field(
        default="subset", description="subset: those that are named; others may stand beside them."
    )
    order: Literal["any", "same"] = Field(default="any", description="same: one after the other.")
    extra: bool = Field(default=True, description="Whether other calls may stand among them.")

    def score(self, subject: Subject) -> Score:
        """Unscored where nobody says which calls there should be; [] in the column wants none."""
        try:
            wanted = self._wanted(subject)
        except ValueError as error:
            return unscored(f"the column {self.column} is wrong: {error}")
        if wanted is None:
            return unscored("neither the evaluator nor the case says which tool to call")
        made = [_call(one) for one in subject.tool_calls or ()]
        lacks = _unmatched(wanted, made, self.arguments, in_order=self.order == "same")
        if lacks is not None:
            there = ", ".join(_told(one) for one in made) or "no tool"
            return passed(False, f"lacks {_told(lacks)}; it calls {there}")
        if len(made) > len(wanted) and (not self.extra or not wanted):
            return passed(False, f"calls {len(made)} tools instead of {len(wanted)}")
        return passed(True, "calls " + (", ".join(_told(one) for one in wanted) or "no tool"))

    def _wanted(self, subject: Subject) -> list[WantedCall] | None:
        fixed = [*self.calls, *([WantedCall(name=self.tool)] if self.tool else [])]
        own = _read_calls(subject.inputs.get(self.column))
        if own is None and not fixed:
            own = _expected_calls(subject.expected)
        return [*fixed, *own] if own is not None else fixed or None


def _expected_calls(expected: str | None) -> list[WantedCall] | None:
    """An expected output counts only where it is plainly a list of calls."""
    try:
        found = json.loads(expected or "")
        return _read_calls(found if isinstance(found, (list, dict)) else None)
    except (ValueError, RecursionError):
        return None


def _read_calls(value: Json) -> list[WantedCall] | None:
    """Calls of a column: a list or its JSON, of names or objects; ValueError for others."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        read = _read(value)
        value = read if isinstance(read, (list, dict)) else [value]
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    return [one if isinstance(one, WantedCall) else _call(one, strict=True) for one in items]


def _call(value: Any, *, strict: bool = False) -> WantedCall:
    """A call as OpenAI writes it, as {name, arguments}, or its bare name."""
    said: dict[str, Any] = {"name": value} if isinstance(value, str) else dict(value or {})
    said = said["function"] if isinstance(said.get("function"), dict) else said
    name, arguments = said.get("name"), said.get("arguments")
    if isinstance(arguments, str):
        arguments = object_said(arguments)
    if strict and not (isinstance(name, str) and name):
        raise ValueError('a call has no name; write it as {"name": …, "arguments": {…}}')
    return WantedCall.model_construct(
        name=str(name or "?"), arguments=arguments if isinstance(arguments, dict) else None
    )


def _unmatched(
    wanted: list[WantedCall], made: list[WantedCall], how: str, *, in_order: bool
) -> WantedCall | None:
    """The first wanted call that no call of its own answers."""
    if in_order:
        left = iter(made)
        return next((w for w in wanted if not any(_answers(w, m, how) for m in left)), None)
    taken: dict[int, int] = {}

    def place(n: int, seen: set[int]) -> bool:
        for at, one in enumerate(made):
            if at not in seen and _answers(wanted[n], one, how):
                seen.add(at)
                if at not in taken or place(taken[at], seen):
                    taken[at] = n
                    return True
        return False

    return next((w for n, w in enumerate(wanted) if not place(n, set())), None)


def _answers(wanted: WantedCall, made: WantedCall, how: str) -> bool:
    if wanted.name != made.name:
        return False
    if how == "ignore" or wanted.arguments is None:
        return True
    given = made.arguments or {}
    if how == "equal":
        return _same(dict(wanted.arguments), dict(given))
    return all(key in given and _same(value, given[key]) for key, value in wanted.arguments.items())


def _told(call: WantedCall) -> str:
    if call.arguments is None:
        return call.name[:80]
    return f"{call.name[:80]}({json.dumps(dict(call.arguments), ensure_ascii=False)[:200]})"
