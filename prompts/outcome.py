"""What rendering gives: variables, messages, or a problem that says where and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from core.errors import Invalid
from prompts.content import Message

ProblemKind = Literal["missing", "syntax", "refused", "limit", "runtime", "unpinned"]


class VariableReport(NamedTuple):
    """What the templates read, in order of appearance.

    `attributes` are the keys read from a variable (`customer.name`), `optional` the variables
    under `default` or `is defined`, `looped` those a `for` goes through. `includes` are the
    snippets that the messages name, `assigned` the variables that they set themselves.
    """

    used: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]]
    optional: tuple[str, ...]
    looped: tuple[str, ...]
    includes: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()


class VariableCheck(NamedTuple):
    """Declared and used variables told apart.

    `missing` are read by a template, but neither declared nor optional.
    """

    used: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]


class RenderedPrompt(NamedTuple):
    """The messages of one rendering, as they go over the wire."""

    messages: list[Message]


@dataclass(frozen=True)
class TemplateProblem:
    """Why a template failed, as a value.

    `message` counts from 0 and `line` from 1 within it; `name` is the variable that is missing.
    """

    kind: ProblemKind
    sentence: str
    message: int | None = None
    line: int | None = None
    name: str | None = None


class TemplateError(Invalid):
    """A template cannot be compiled or rendered; `problem` says where."""

    def __init__(self, problem: TemplateProblem) -> None:
        super().__init__(problem.sentence, param=problem.name, code=f"template_{problem.kind}")
        self.problem = problem
        self.line = problem.line
        self.message_index = problem.message


_REMEDIES: dict[ProblemKind, str] = {
    "missing": "Give it a value, or a default.",
    "syntax": "Correct the template there.",
    "refused": "Remove it: templates may only read their variables.",
    "limit": "Make the template or its values smaller (8 MiB of text, 2 seconds, 512 MB).",
    "runtime": "Correct the template or the value it reads.",
    "unpinned": "Save the prompt where that snippet is, so that its text is pinned.",
}


def problem_of(told: Mapping[str, Any]) -> TemplateProblem:
    """The problem the worker told of, in a sentence of place, cause and remedy."""
    index, line, name = told.get("message"), told.get("line"), told.get("name")
    place = "The prompt" if index is None else f"Message {index + 1}"
    if line is not None:
        place += f", line {line}"
    if told.get("snippet"):
        place += f", in line {told['snippet_line']} of the snippet {told['snippet']}"
    cause = f"the variable {name!r} has no value" if name else str(told["text"]).rstrip(".")
    sentence = f"{place}: {cause}. {_REMEDIES[told['kind']]}"
    return TemplateProblem(told["kind"], sentence, index, line, name)
