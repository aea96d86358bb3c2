"""A backend as pages and commands show it."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from connectors.backends.figures import Figures
from connectors.backends.models import Backend, BackendSettings, State
from core.clock import utcnow

STALE_SECONDS = 45
_UNWATCHED = "Nobody watches it. Start `promptstone up` on the machine of its data folder."


class BackendPublic(BaseModel):
    """A backend as pages and commands show it; it holds no key."""

    model_config = ConfigDict(frozen=True)

    name: str
    settings: BackendSettings
    wanted: str
    state: State
    reason: str | None
    progress: float | None
    owner: str | None
    base_url: str | None
    restarts: int
    figures: Figures
    adapters: tuple[str, ...]
    used_at: datetime | None
    actor: str
    created_at: datetime

    @property
    def elsewhere(self) -> bool:
        """Whether it is a server that somebody else runs."""
        return self.settings.base_url is not None


def backend_json(backend: BackendPublic) -> dict[str, Any]:
    """A backend of `backend list --json`."""
    return {
        **backend.model_dump(mode="json", exclude={"settings"}),
        **backend.settings.model_dump(mode="json", exclude={"base_url"}),
        "elsewhere": backend.settings.base_url,
    }


def public(row: Backend) -> BackendPublic:
    """What a row tells, if somebody has looked after it lately."""
    settings = BackendSettings.model_validate(row.settings)
    seen = row.seen_at is not None and utcnow() - row.seen_at < timedelta(seconds=STALE_SECONDS)
    # What nobody watches does not run: a server dies with its watcher.
    lost = row.state != "stopped" and not seen
    return BackendPublic(
        name=row.name,
        settings=settings,
        wanted=row.wanted,
        state="stopped" if lost else row.state,  # type: ignore[arg-type]
        reason=_UNWATCHED if lost else row.reason,
        progress=None if lost else row.progress,
        owner=row.owner,
        base_url=settings.base_url if lost else (row.base_url or settings.base_url),
        restarts=row.restarts,
        figures=Figures() if lost else Figures.model_validate(row.figures),
        adapters=() if lost else tuple(row.adapters),
        used_at=row.used_at,
        actor=row.actor,
        created_at=row.created_at,
    )
