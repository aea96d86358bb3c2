"""What a scene of the playground holds: columns, the values they share, and how one looks at it."""

from collections.abc import Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prompts.content import PromptContent
from prompts.fields import JsonObject, Text

MOST_COLUMNS = 6
MOST_REPEATS = 10
View = Literal["text", "markdown", "json", "diff"]
Preference = Literal["a", "b", "tie"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(_Frozen):
    """What passages some answers were given: of which base and snapshot, as `Source.row` has them.

    `base_id` is the base that was read; another one of its name is none.
    """

    answers: tuple[str, ...]
    kb: Text
    base_id: str
    snapshot: int
    sources: tuple[JsonObject, ...] = ()


class Column(_Frozen):
    """One arm: a prompt's text on a model, with passages of a knowledge base where one is named.

    `content` is a PromptContent as JSON and may not be valid yet; `changed` says that it is not
    what `prompt@version` holds. `answers` are ids of generations, one a repeat, and `asked` the
    hash of what they were asked; `refused` is why nothing could be asked. `turn` counts the
    submissions, so that a second press of the same button finds that it came too late. `search`
    are fields of SearchSettings that differ from those of the base `kb`.
    """

    id: str
    content: JsonObject
    prompt: Text | None = None
    version: int | None = None
    changed: bool = False
    model: Text | None = None
    kb: Text | None = None
    search: JsonObject = Field(default_factory=dict)
    turn: int = 0
    answers: tuple[str, ...] = ()
    asked: str | None = None
    refused: Text | None = None
    readings: tuple[Reading, ...] = ()

    @property
    def name(self) -> str:
        """`news@2 | demo`, with a star where the text is not that version's, and what it reads."""
        source = "–" if self.prompt is None else f"{self.prompt}@{self.version}"
        parts = [f"{source}{'*' if self.changed else ''}", self.model or "–"]
        if self.kb is not None:
            parts += [f"kb={self.kb}", *(f"{name}={value}" for name, value in self.search.items())]
        return " | ".join(parts)

    @property
    def unasked(self) -> "Column":
        """The same, without anything that was asked or answered."""
        fresh = {"answers": (), "asked": None, "refused": None, "turn": 0, "readings": ()}
        return self.model_copy(update=fresh)

    def reading_of(self, answer: str) -> Reading | None:
        """The passages that an answer was given; None where it read from no base."""
        return next((one for one in self.readings if answer in one.answers), None)

    def now_read(self, fresh: Reading | None, kept: Collection[str]) -> tuple[Reading, ...]:
        """The readings of the answers that are kept, and the fresh one."""
        old = (
            one.model_copy(update={"answers": mine})
            for one in self.readings
            if (mine := tuple(answer for answer in one.answers if answer in kept))
        )
        return (*old, *([fresh] if fresh is not None else []))


class Vote(_Frozen):
    """Which of two columns' answers to one repeat is better; `a` stood left."""

    a: str
    b: str
    repeat: int
    preference: Preference


class Blind(_Frozen):
    """A comparison whose arms are hidden until every pair has its vote, or somebody looks.

    `inputs` are the values that were asked with.
    """

    seed: int
    inputs: JsonObject = Field(default_factory=dict)
    votes: tuple[Vote, ...] = ()
    hidden: bool = True


class SceneState(_Frozen):
    """All of a scene but its name, owner and revision.

    `blind` is what the next submission will be; `round` how the present answers were asked.
    """

    columns: tuple[Column, ...] = Field(min_length=1, max_length=MOST_COLUMNS)
    values: JsonObject = Field(default_factory=dict)
    view: View = "text"
    blind: bool = False
    repeats: int = Field(default=1, ge=1, le=MOST_REPEATS)
    turn: int = 0
    round: Blind | None = None

    @property
    def title(self) -> str:
        """The arms, for lists."""
        return " · ".join(column.name for column in self.columns)

    @property
    def hidden(self) -> bool:
        """Whether the arms must not be told now."""
        return self.round is not None and self.round.hidden

    def column(self, column_id: str) -> Column | None:
        """The column of that id."""
        return next((one for one in self.columns if one.id == column_id), None)

    def with_column(self, column_id: str, **changes: Any) -> "SceneState":
        """The state with fields of one column changed."""
        return self.replaced(
            columns=tuple(
                one.model_copy(update=changes) if one.id == column_id else one
                for one in self.columns
            )
        )

    def added(self, column: Column) -> "SceneState":
        """The state with one more column; its id becomes one that is free."""
        taken = [int(one.id[1:]) for one in self.columns]
        return self.replaced(
            columns=(*self.columns, column.model_copy(update={"id": f"c{max(taken) + 1}"}))
        )

    def removed(self, column_id: str) -> "SceneState":
        """The state without one column; the last one stays."""
        kept = tuple(one for one in self.columns if one.id != column_id)
        return self.replaced(columns=kept or self.columns)

    def replaced(self, **changes: Any) -> "SceneState":
        """The state with fields changed."""
        return self.model_copy(update=changes)


def column(
    content: PromptContent,
    *,
    prompt: str | None = None,
    version: int | None = None,
    model: str | None = None,
    changed: bool = False,
    place: int = 1,
) -> Column:
    """A column that was not asked anything yet."""
    return Column(
        id=f"c{place}",
        content=content.model_dump(mode="json"),
        prompt=prompt,
        version=version,
        model=model,
        changed=changed,
    )


def of_columns(columns: list[Column], values: dict[str, Any] | None = None) -> SceneState:
    """A state of these columns, numbered anew."""
    numbered = (one.model_copy(update={"id": f"c{n}"}) for n, one in enumerate(columns, 1))
    return SceneState(columns=tuple(numbered), values=values or {})
