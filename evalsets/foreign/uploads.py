"""Files that a person gives together, each read by what it is."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from core.errors import Invalid, PromptstoneError
from evalsets.foreign.arrival import Arrival
from evalsets.foreign.folder import Given
from evalsets.foreign.openai_evals import read_openai
from evalsets.foreign.promptfoo.config import read_promptfoo
from prompts.foreign.found import together
from prompts.foreign.reading import read_prompts_file

SUFFIXES = (
    *("prompty", "prompt", "txt", "md", "jinja", "jinja2", "j2", "csv", "tsv"),
    *("json", "jsonl", "yaml", "yml", "xlsx"),
)
"""XLSX only as the cases of a promptfoo configuration."""


class _Noting(Given):
    """Files beside a configuration, and which of them it named."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.used: set[str] = set()

    def read(self, path: str) -> bytes:
        """As Given, remembering the name."""
        data = super().read(path)
        self.used |= {path, PurePosixPath(path).name}
        return data


def read_together(files: Mapping[str, bytes]) -> Arrival:
    """All files; those that a promptfoo configuration names are read through it alone."""
    whole = Arrival()
    used: set[str] = set()
    left: dict[str, Arrival | Invalid] = {}
    for name, data in files.items():
        beside = _Noting({other: text for other, text in files.items() if other != name})
        try:
            found = _promptfoo(name, data, beside)
        except PromptstoneError as error:
            left[name] = _otherwise(name, data, error)
            continue
        used |= beside.used
        _join(whole, found)
    for name, found in left.items():
        if name in used:
            continue
        if isinstance(found, Invalid):
            whole.refuse(name, "a file", found)
        else:
            _join(whole, found)
    whole.not_taken = together(whole.not_taken)
    return whole


def _promptfoo(name: str, data: bytes, beside: Given) -> Arrival:
    if PurePosixPath(name).suffix.lower() not in (".yaml", ".yml", ".json"):
        raise Invalid(f"{name} is no promptfoo configuration. Give its YAML file.")
    return read_promptfoo(name, data, beside)


def _otherwise(name: str, data: bytes, first: PromptstoneError) -> Arrival | Invalid:
    """What no configuration is: prompts, else something of OpenAI's; the first reason of all."""
    arrival = Arrival()
    try:
        arrival.add(read_prompts_file(name, data))
        return arrival
    except PromptstoneError as error:
        why = error
    try:
        if PurePosixPath(name).suffix.lower() in (".json", ".jsonl"):
            found = read_openai(name, data)
            if found.prompts or found.datasets or found.runs or found.evaluators:
                return found
    except PromptstoneError:
        pass
    yaml = PurePosixPath(name).suffix.lower() in (".yaml", ".yml")
    return Invalid((first if yaml else why).message)


def _join(whole: Arrival, found: Arrival) -> None:
    whole.add(found)
    whole.models += found.models
    whole.datasets += found.datasets
    whole.runs += found.runs
    whole.evaluators += found.evaluators
