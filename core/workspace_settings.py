"""Settings of the workspace that are changed while it runs."""

from typing import Any

from sqlmodel import Session

from core.audit import record
from core.models import Setting

INSTALLATION = "installation"
"""Key of a random name of this database; a restored copy gets another."""


def get_setting(session: Session, key: str, default: Any = None) -> Any:
    """The JSON value of `key`, or `default`."""
    row = session.get(Setting, key)
    return default if row is None else row.value


def set_setting(session: Session, key: str, value: Any) -> None:
    """Change a setting; recorded in the audit."""
    session.merge(Setting(key=key, value=value))
    session.flush()
    record(session, "setting.change", key, {"value": value})
