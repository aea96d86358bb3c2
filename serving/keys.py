"""Keys of programs: made and shown once, kept as a hash, revoked; and as calls need them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from sqlmodel import Session, col, select

from core.audit import actor_of, record
from core.canonical import sha256_text
from core.clock import utcnow
from core.errors import Conflict, Invalid, NotFound
from core.names import check_name
from core.users import get_user
from serving.key_forms import NANO_DIGITS, CreatedKey, KeyCreate, KeyPublic, Scope
from serving.lookup import need_app, touch_serving
from serving.models import ApiKey, App, KeyUse

PREFIX = 8
"""Characters of a token that lists show; 5 of its 43 random ones."""
KEY_START = "ps_"
DAY_SECONDS = 86_400
COST = "cost"


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key as a call needs it; `budget_nano` in 10^-9 US dollars a UTC day, None is no limit."""

    id: str
    name: str
    scope: Scope
    app_ids: frozenset[str]
    person: str | None
    rpm: int | None
    tpm: int | None
    streams: int | None
    budget_nano: int | None
    expires_at: datetime | None

    @property
    def is_limited(self) -> bool:
        """Whether calls of this key are counted before they go ahead."""
        limits = (self.rpm, self.tpm, self.streams, self.budget_nano)
        return limits != (None, None, None, None)

    def has_expired(self, now: datetime) -> bool:
        """Whether the key is no longer good at `now`."""
        return self.expires_at is not None and self.expires_at <= now


def needs_price(key: LiveKey) -> bool:
    """Whether calls of this key must have a known price, so that its budget can be kept."""
    return key.budget_nano is not None


def nano(dollars: Decimal) -> int:
    """US dollars in units of 10^-9, rounded up: a budget errs on the side of spending less."""
    return int(dollars.scaleb(NANO_DIGITS).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    """Units of 10^-9 as US dollars."""
    return Decimal(amount).scaleb(-NANO_DIGITS).normalize()


def new_token() -> str:
    """256 random bits as 43 URL-safe characters behind `ps_`."""
    return f"{KEY_START}{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """The hex sha256 that a key is stored and found by.

    No slow hash: there is nothing to guess in 256 random bits. Looking the hash up in a dictionary
    is constant-time in effect: how far a comparison gets depends on the hash of what was sent,
    which nobody can steer towards a stored one bit by bit.
    """
    return sha256_text(token)


def create_key(session: Session, form: KeyCreate) -> CreatedKey:
    """Make a key. Raises Invalid, Conflict for a taken name, NotFound for an app or person."""
    name = check_name(form.name, "key")
    if find_key(session, name) is not None:
        raise Conflict(
            f"There is a key {name!r} already, or was one. Choose another name.", param="name"
        )
    apps = _apps(session, form)
    person = _person(session, form.person)
    token = new_token()
    limits = form.model_dump(include={"scope", "rpm", "tpm", "streams", "budget_day"})
    row = ApiKey(
        name=name,
        hash=token_hash(token),
        prefix=token[:PREFIX],
        apps=[app.id for app in apps],
        person=person,
        expires_at=form.expires_at,
        actor=actor_of(session),
        **limits,
    )
    session.add(row)
    session.flush()
    touch_serving(session)
    names = tuple(app.name for app in apps)
    detail: dict[str, object] = {"id": row.id, "prefix": row.prefix, "apps": list(names)}
    record(session, "key.create", name, {**detail, **_plain(limits), "person": person})
    return CreatedKey(name, token, row.prefix, names, form.expires_at)


def _apps(session: Session, form: KeyCreate) -> list[App]:
    if form.scope == "metrics" and form.apps:
        raise Invalid(
            "A key of scope metrics reads figures and calls no app. Name none.", param="apps"
        )
    if form.scope == "apps" and not form.apps:
        raise Invalid(
            "A key calls the apps it was made for. Name at least one, or choose the scope metrics.",
            param="apps",
        )
    return [need_app(session, name) for name in dict.fromkeys(form.apps)]


def _person(session: Session, subject: str | None) -> str | None:
    if subject is None:
        return None
    kind, _, name = subject.partition(":")
    if kind != "user":
        raise Invalid(f"{subject[:128]!r} is nobody. Give user:NAME.", param="person")
    return f"user:{get_user(session, name).name}"


def _plain(limits: Mapping[str, object]) -> dict[str, object]:
    return {name: str(v) if isinstance(v, Decimal) else v for name, v in limits.items()}


def find_key(session: Session, name: str) -> ApiKey | None:
    """A key by name, revoked or not."""
    return session.exec(select(ApiKey).where(ApiKey.name == name)).first()


def revoke_key(session: Session, name: str) -> bool:
    """End a key for good, everywhere within a second; False if it was ended before. Audited."""
    row = find_key(session, name)
    if row is None:
        raise NotFound(
            f"There is no key {name[:128]!r}. `promptstone key list` shows those there are.",
            param="name",
        )
    if row.revoked_at is not None:
        return False
    row.revoked_at = utcnow()
    session.add(row)
    touch_serving(session)
    record(session, "key.revoke", name, {"id": row.id, "prefix": row.prefix})
    return True


def list_keys(session: Session) -> list[KeyPublic]:
    """All keys by name, those that are still good first."""
    order = (col(ApiKey.revoked_at).is_not(None), col(ApiKey.name))
    found = session.exec(select(ApiKey).order_by(*order)).all()
    names: dict[str, str] = dict(session.exec(select(App.id, App.name)).all())
    today = int(utcnow().timestamp()) // DAY_SECONDS
    spent = dict(
        session.exec(
            select(KeyUse.key_id, KeyUse.granted).where(
                KeyUse.meter == COST, KeyUse.window == today
            )
        ).all()
    )
    return [_public(row, names, spent.get(row.id, 0)) for row in found]


def _public(row: ApiKey, names: Mapping[str, str], spent: int) -> KeyPublic:
    apps: Sequence[str] = sorted(names[one] for one in row.apps if one in names)
    return KeyPublic(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scope=row.scope,
        apps=tuple(apps),
        person=row.person,
        rpm=row.rpm,
        tpm=row.tpm,
        streams=row.streams,
        budget_day=row.budget_day,
        used_today=dollars(spent),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def load_keys(session: Session) -> dict[str, LiveKey]:
    """Every key that was not revoked, by the hash of its token."""
    rows = session.exec(select(ApiKey).where(col(ApiKey.revoked_at).is_(None)))
    return {row.hash: _live(row) for row in rows}


def _live(row: ApiKey) -> LiveKey:
    return LiveKey(
        id=row.id,
        name=row.name,
        scope="metrics" if row.scope == "metrics" else "apps",
        app_ids=frozenset(row.apps),
        person=row.person,
        rpm=row.rpm,
        tpm=row.tpm,
        streams=row.streams,
        budget_nano=None if row.budget_day is None else nano(row.budget_day),
        expires_at=row.expires_at,
    )
