"""People, one-time sign-in links and browser sessions; tokens are random and stored hashed."""

import secrets
from datetime import timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from core.audit import record
from core.canonical import sha256_text
from core.clock import utcnow
from core.errors import Invalid, NotFound, Unauthorized
from core.models import SignInSession, SignInToken, User
from core.names import check_name

LINK_MINUTES = 15
IDLE = timedelta(days=7)
ABSOLUTE = timedelta(days=30)
ROLES = ("admin", "publisher", "engineer", "annotator", "viewer")
ADMIN = "admin"
_SEEN_EVERY = timedelta(minutes=1)


def ensure_admin(session: Session) -> User:
    """The one administrator that the first start makes; it has no password."""
    user = session.get(User, ADMIN)
    if user is None:
        user = User(name=ADMIN, role="admin")
        session.add(user)
        session.flush()
        record(session, "user.add", ADMIN, {"role": "admin"})
    return user


def add_user(session: Session, name: str, role: str) -> User:
    """A further person."""
    name = check_name(name, "user")
    if role not in ROLES:
        raise Invalid(f"There is no role {role!r}. Choose one of {', '.join(ROLES)}.", param="role")
    if session.get(User, name) is not None:
        raise Invalid(f"The user {name} exists already. Choose another name.", param="name")
    user = User(name=name, role=role)
    session.add(user)
    session.flush()
    record(session, "user.add", name, {"role": role})
    return user


def get_user(session: Session, name: str) -> User:
    """A person by name."""
    user = session.get(User, name)
    if user is None:
        raise NotFound(f"There is no user {name!r}. `promptstone user link admin` makes a link.")
    return user


def list_users(session: Session) -> list[User]:
    """All people by name."""
    return list(session.exec(select(User).order_by(User.name)))


def make_link_token(session: Session, name: str) -> str:
    """A token for `/sign-in?token=…`, good once and for 15 minutes."""
    user = get_user(session, name)
    if user.disabled:
        raise Invalid(f"The user {name} is disabled. Choose another one.")
    token = secrets.token_urlsafe(32)
    until = utcnow() + timedelta(minutes=LINK_MINUTES)
    session.add(SignInToken(token_hash=sha256_text(token), user=name, expires_at=until))
    session.flush()
    record(session, "user.link", name, {"minutes": LINK_MINUTES})
    return token


def check_link(session: Session, token: str) -> None:
    """Raise Unauthorized unless the token was given out, still good or not."""
    if session.get(SignInToken, sha256_text(token)) is None:
        raise _bad_link()


def _bad_link() -> Unauthorized:
    return Unauthorized(
        "This sign-in link was used or has expired. Make a new one with "
        "`promptstone user link admin`."
    )


def redeem(session: Session, token: str) -> str:
    """Turn a sign-in token into a session cookie; raises Unauthorized for a bad or used one."""
    now = utcnow()
    used = (
        update(SignInToken)
        .where(col(SignInToken.token_hash) == sha256_text(token))
        .where(col(SignInToken.used_at).is_(None), col(SignInToken.expires_at) > now)
        .values(used_at=now)
        .returning(col(SignInToken.user))
    )
    name = session.connection().execute(used).scalar()
    if name is None or get_user(session, name).disabled:
        raise _bad_link()
    cookie = secrets.token_urlsafe(32)
    session.add(SignInSession(token_hash=sha256_text(cookie), user=name))
    session.flush()
    return cookie


def session_user(session: Session, cookie: str) -> User | None:
    """The person of a cookie; None when it is unknown, revoked or too old."""
    row = session.get(SignInSession, sha256_text(cookie))
    now = utcnow()
    if row is None or row.revoked_at or now - row.seen_at > IDLE or now - row.created_at > ABSOLUTE:
        return None
    user = session.get(User, row.user)
    return None if user is None or user.disabled else user


def needs_seen(session: Session, cookie: str) -> bool:
    """Whether `mark_seen` is due; keeps reads of a page from becoming writes."""
    row = session.get(SignInSession, sha256_text(cookie))
    return row is not None and utcnow() - row.seen_at > _SEEN_EVERY


def mark_seen(session: Session, cookie: str) -> None:
    """Move the idle limit of a session on."""
    row = session.get(SignInSession, sha256_text(cookie))
    if row is not None:
        row.seen_at = utcnow()
        session.add(row)


def sign_out(session: Session, cookie: str) -> None:
    """Revoke one session."""
    row = session.get(SignInSession, sha256_text(cookie))
    if row is not None:
        row.revoked_at = utcnow()
        session.add(row)


def set_language(session: Session, name: str, language: str) -> None:
    """The language of a person's pages: `en` or `zh`."""
    user = get_user(session, name)
    user.language = language
    session.add(user)
