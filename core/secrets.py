"""Provider keys sealed with AES-256-GCM; the key that seals them is a file of its own.

The associated data is the row's id and host: a ciphertext moved to another row does not open.
cryptography takes every process 6 MiB and is imported where there is a key to seal.
"""

import os
import secrets as random
from pathlib import Path

from sqlmodel import Session, select

from core.audit import actor_of, record
from core.errors import Invalid, NotFound, Unavailable
from core.models import Secret

_REMEDY = "Put the file back from your backup, or name it with PROMPTSTONE_KEY_FILE."


def load_or_make_key(path: Path) -> bytes:
    """The 32-byte sealing key; made at random with mode 0600 when the file is missing."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = _make(path)
    if len(key) != 32:
        raise Unavailable(f"The key file {path} does not hold 32 bytes. {_REMEDY}")
    return key


def _make(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, random.token_bytes(32))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(temporary, path)  # fails if another process was first: its key counts
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_bytes()


def check_key(session: Session, path: Path) -> None:
    """Refuse a start in which sealed rows exist and the key is missing or another one."""
    row = session.exec(select(Secret).limit(1)).first()
    if row is None:
        return
    if not path.exists():
        raise Unavailable(f"Provider keys are sealed but {path} is missing. {_REMEDY}")
    _open(row, load_or_make_key(path))


def seal(session: Session, host: str, key: str, path: Path) -> str:
    """Store a provider key for `host` (host:port); returns the id to open it with."""
    if not key:
        raise Invalid("The key is empty. Paste the provider's key.", param="key")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    row = Secret(host=host, nonce=random.token_bytes(12), sealed=b"", actor=actor_of(session))
    row.sealed = AESGCM(load_or_make_key(path)).encrypt(row.nonce, key.encode(), _bound_to(row))
    session.add(row)
    session.flush()
    record(session, "secret.add", row.id, {"host": host})
    return row.id


def open_secret(session: Session, secret_id: str, host: str, path: Path) -> str:
    """The provider key, only for the host that it was stored for."""
    row = session.get(Secret, secret_id)
    if row is None:
        raise NotFound("The stored provider key is gone. Enter it again for this model.")
    if row.host != host:
        raise Invalid(
            f"The stored key belongs to {row.host}, not to {host}. Enter the key for this address."
        )
    return _open(row, load_or_make_key(path))


def remove_secret(session: Session, secret_id: str) -> None:
    """Forget a provider key."""
    row = session.get(Secret, secret_id)
    if row is not None:
        session.delete(row)
        record(session, "secret.remove", secret_id, {"host": row.host})


def _bound_to(row: Secret) -> bytes:
    return f"{row.id}|{row.host}".encode()


def _open(row: Secret, key: bytes) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(row.nonce, row.sealed, _bound_to(row)).decode()
    except InvalidTag as error:
        raise Unavailable(
            f"The key file does not open the stored provider keys. {_REMEDY}"
        ) from error
