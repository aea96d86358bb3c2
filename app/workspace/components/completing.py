"""What the fields of a prompt know beyond their own text: names to complete, and the fault."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from prompts.completion import names_in
from prompts.outcome import TemplateProblem

_OF_VALUES = ("missing", "runtime", "limit")
"""Problems of what is filled in, not of the text: they are told beside the values."""


class Fault(NamedTuple):
    """Why a template cannot be read, at a line counted from 1."""

    line: int
    sentence: str


class Template(NamedTuple):
    """Names that one field of a prompt offers; `snippets` are prompts as `name@version`."""

    variables: Sequence[str] = ()
    snippets: Sequence[str] = ()
    fault: Fault | None = None


class Known(NamedTuple):
    """What all fields of one prompt offer, and what is wrong with one of them."""

    snippets: Sequence[str] = ()
    problem: TemplateProblem | None = None

    def at(self, place: int, content: Mapping[str, Any]) -> Template:
        """For the message at `place`, counted from 0, of a content as JSON."""
        inputs = [str(item.get("name", "")) for item in content.get("inputs", [])]
        texts = [str(message.get("content", "")) for message in content["messages"]]
        variables = dict.fromkeys([*filter(None, inputs), *names_in(texts)])
        return Template(tuple(variables), self.snippets, self._fault(place))

    @property
    def is_placed(self) -> bool:
        """Whether the problem is one of the text, at a line of a message."""
        problem = self.problem
        if problem is None or problem.kind in _OF_VALUES:
            return False
        return problem.message is not None and problem.line is not None

    def _fault(self, place: int) -> Fault | None:
        problem = self.problem
        if problem is None or not self.is_placed or problem.message != place:
            return None
        return Fault(problem.line or 1, problem.sentence)
