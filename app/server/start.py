"""What every start does to a data folder before anything is served."""

from app.opening import check_integrity, open_database
from connectors.generate import mark_interrupted
from core.database import Database
from core.secrets import check_key
from core.settings import Settings
from core.users import ADMIN, make_link_token


def prepare(settings: Settings) -> Database:
    """A migrated database that passed the checks of a start; raises with the remedy otherwise."""
    database = open_database(settings)
    check_integrity(database)
    with database.read_scope() as session:
        check_key(session, settings.key_path)
    if database.is_sqlite:
        # No other server has this file: what was in flight in the last one is nobody's now.
        with database.session_scope("system") as session:
            mark_interrupted(session)
    return database


def sign_in_token(database: Database) -> str:
    """A fresh one-time token of the administrator."""
    with database.session_scope("system") as session:
        return make_link_token(session, ADMIN)
