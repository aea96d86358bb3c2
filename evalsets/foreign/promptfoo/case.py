"""What is known of a case while its configuration is read."""

from dataclasses import dataclass, field

from core.canonical import Json
from evalsets.evaluators.checks import Check, CheckSet
from evalsets.foreign.promptfoo.asserts import Rubric


@dataclass
class Case:
    """A case before it is known which of its assertions others share."""

    where: str
    inputs: dict[str, Json]
    title: str = ""
    tags: list[str] = field(default_factory=list[str])
    split: str | None = None
    threshold: float | None = None
    checks: list[Check | CheckSet] = field(default_factory=list[Check | CheckSet])
    rubrics: list[Rubric] = field(default_factory=list[Rubric])
