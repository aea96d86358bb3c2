"""What is asked of a key and what is shown of it."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Scope = Literal["apps", "metrics"]
NANO_DIGITS = 9
"""Budgets are counted in 10^-9 US dollars."""
_Count = Annotated[int | None, Field(ge=1, le=2_000_000_000)]


class KeyCreate(BaseModel):
    """What a key may do. `person` is user:NAME, whose access rules of knowledge bases then count.

    `rpm` and `tpm` are requests and tokens a minute, `streams` how many at once, `budget_day` US
    dollars a UTC day; None is no limit. `apps` are names; scope metrics has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    apps: tuple[str, ...] = ()
    scope: Scope = "apps"
    person: str | None = None
    rpm: _Count = None
    tpm: _Count = None
    streams: _Count = None
    budget_day: Annotated[Decimal | None, Field(gt=0, le=10**9, decimal_places=NANO_DIGITS)] = None
    expires_at: AwareDatetime | None = None


def end_of(day: date) -> datetime:
    """A date as an expiry: good until that day is over in UTC."""
    return datetime.combine(day, time(23, 59, 59), UTC)


class CreatedKey(NamedTuple):
    """A new key; `key` is told here and never again."""

    name: str
    key: str
    prefix: str
    apps: tuple[str, ...]
    expires: datetime | None


class KeyPublic(NamedTuple):
    """A key as lists show it; `used_today` in US dollars counts what is granted to calls under way.

    Apps that were deleted since are not named.
    """

    id: str
    name: str
    prefix: str
    scope: str
    apps: tuple[str, ...]
    person: str | None
    rpm: int | None
    tpm: int | None
    streams: int | None
    budget_day: Decimal | None
    used_today: Decimal
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
