"""What every start does to a data folder before anything is served."""

from app.opening import check_integrity, open_database
from core.database import Database
from core.secrets import check_key
from core.settings import Settings
from core.users import ADMIN, make_link_token


def prepare(settings: Settings) -> Database:
    """A migrated, checked database with its administrator and the built-in models."""
    database = open_database(settings)
    check_integrity(database)
    with database.read_scope() as session:
        check_key(session, settings.key_path)
    return database


def sign_in_token(database: Database) -> str:
    """A fresh one-time token of the administrator."""
    with database.session_scope("system") as session:
        return make_link_token(session, ADMIN)
