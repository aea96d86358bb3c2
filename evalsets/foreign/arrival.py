"""What a file of another program amounts to here, before anything is stored."""

from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.models import ModelSettings
from evalsets.evaluators.kinds import Evaluator
from evalsets.files.cases import ParsedCases
from evalsets.runs.lines import ImportedRun
from prompts.foreign.found import Found


class ForeignModel(NamedTuple):
    """A model to add where none of its name exists."""

    name: str
    settings: ModelSettings


class ForeignCases(NamedTuple):
    """A data set to push; `source` is the file's name."""

    name: str
    parsed: ParsedCases
    source: str


class ForeignRun(NamedTuple):
    """Outputs made elsewhere; `key` makes a second import find the first one's run.

    `name` is that of a data set of its own.
    """

    title: str
    name: str
    found: ImportedRun
    source: str
    key: str


@dataclass
class Arrival(Found):
    """All of one file: prompts and what is not taken, as Found, and the rest of it."""

    models: list[ForeignModel] = field(default_factory=list[ForeignModel])
    datasets: list[ForeignCases] = field(default_factory=list[ForeignCases])
    runs: list[ForeignRun] = field(default_factory=list[ForeignRun])
    evaluators: list[Evaluator] = field(default_factory=list[Evaluator])

    def add(self, found: Found) -> None:
        """Take over what a reader of prompts alone found."""
        self.prompts += found.prompts
        self.not_taken += found.not_taken
