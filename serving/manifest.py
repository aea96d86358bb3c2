"""A release: everything that changes an app's answer, frozen under one hash."""

from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.canonical import content_hash
from evalsets.runs.manifest import FrozenModel, FrozenPrompt
from prompts.content import PromptContent
from rag.answer import Retrieval, asked
from serving.guards import Guard
from serving.settings import AppKind, Pinned

_SENT = ("kind", "base_url", "provider", "model", "structured")
"""What of a model's settings goes over the wire; its prices, limits and keys change no answer."""


class FrozenDoor(BaseModel):
    """A model as a release asks it: `params` are what is sent, the app's own before its prompt's
    and the model's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: FrozenModel
    params: dict[str, Any] = {}


class ReleaseManifest(BaseModel):
    """What a release answers with. `models` are asked in their order, the next when one fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: AppKind
    prompt: FrozenPrompt
    models: tuple[FrozenDoor, ...]
    retrieval: Retrieval | None = None
    history: str = "client"
    guards: tuple[Guard, ...] = ()
    pinned: tuple[Pinned, ...] = ()
    repair: bool = True

    @cached_property
    def asked(self) -> PromptContent:
        """The prompt as a call fills it: without the variable that holds the passages."""
        content = self.prompt.content
        return content if self.retrieval is None else asked(content, self.retrieval.into)

    @property
    def thread(self) -> str | None:
        """The input that the client's messages fill; None when they follow the prompt's own."""
        return next((one.name for one in self.asked.inputs if one.kind == "thread"), None)

    def hash(self) -> str:
        """Hex sha256 of the canonical JSON of what changes an answer: no names, prices, limits."""
        return content_hash(
            {
                **self.model_dump(mode="json", exclude={"prompt", "models"}),
                "prompt": self.prompt.hash,
                "models": [sent(door) for door in self.models],
            }
        )


def sent(door: FrozenDoor) -> dict[str, Any]:
    """What of a model and its parameters goes over the wire."""
    settings = door.model.settings.model_dump(mode="json", include=set(_SENT))
    return {**settings, "params": door.params}
