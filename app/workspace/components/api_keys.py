"""A key in words; who publishes makes and revokes keys."""

from app.workspace.components import numbers, publishing
from app.workspace.strings import raw
from core.clock import utcnow
from core.errors import Forbidden
from serving.key_forms import KeyPublic


def check_role() -> None:
    """Raise Forbidden for who may not: a page may be older than a role."""
    try:
        publishing.checked_role()
    except Forbidden:
        raise Forbidden(raw("apikeys.needs_publisher")) from None


def state(key: KeyPublic) -> str:
    """good, expired or revoked"""
    if key.revoked_at is not None:
        return "revoked"
    expired = key.expires_at is not None and key.expires_at <= utcnow()
    return "expired" if expired else "good"


def subject(key: KeyPublic) -> str:
    """Whose access rules of knowledge bases the key's calls obey."""
    return key.person or f"key:{key.id}"


def cells(key: KeyPublic) -> dict[str, str]:
    """What a key may do and has done, by column."""
    figures = key.scope == "metrics"
    return {
        "prefix": f"{key.prefix}…",
        "apps": raw("apikeys.scope_metrics") if figures else ", ".join(key.apps) or numbers.MISSING,
        "person": (key.person or numbers.MISSING).removeprefix("user:"),
        "limits": _limits(key),
        "used": _used(key),
        "last_use": numbers.ago(key.last_used_at),
        "expires": numbers.moment(key.expires_at),
    }


def _limits(key: KeyPublic) -> str:
    parts = [raw("models.rpm", n=numbers.count(key.rpm))] if key.rpm else []
    parts += [raw("models.tpm", n=numbers.count(key.tpm))] if key.tpm else []
    parts += [raw("apikeys.streams_n", n=numbers.count(key.streams))] if key.streams else []
    return " · ".join(parts) or numbers.MISSING


def _used(key: KeyPublic) -> str:
    used = numbers.money(key.used_today)
    return used if key.budget_day is None else f"{used} / {numbers.money(key.budget_day)}"
