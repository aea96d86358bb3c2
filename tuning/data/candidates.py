"""A row on its way into a data set, with what is known of where it came from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.canonical import Json
from tuning.data.rows import Row
from tuning.data.texts import asked_text

TRAIN = "train"
HELD_OUT = ("dev", "test", "holdout")


@dataclass(frozen=True, slots=True)
class Candidate:
    """`name` says which line, cell or call it is; `asked` are the inputs that the prompt got."""

    row: Row
    name: str
    tags: tuple[str, ...] = ()
    split: str | None = TRAIN
    asked: Mapping[str, Json] | None = None

    @property
    def learned(self) -> bool:
        """Whether a model is to learn from it: rows held out only judge."""
        return self.split not in HELD_OUT

    @property
    def question(self) -> str:
        """What it asks: the inputs where they are known, because templates are all alike."""
        return asked_text(self.row) if self.asked is None else inputs_text(self.asked)


def inputs_text(inputs: Mapping[str, Json]) -> str:
    """The values of a case as one text; of a list or object its texts."""
    return "\n".join(text for value in inputs.values() for text in value_texts(value))


def value_texts(value: Json) -> list[str]:
    """Texts and numbers inside a value, in order."""
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, (int, float)):
        return [str(value)]
    members = value.values() if isinstance(value, Mapping) else value
    return [text for member in members for text in value_texts(member)]
