"""Who may be reached and with which key: the allowlist of local addresses, keys bound to hosts."""

import os
from pathlib import Path

from sqlmodel import Session

from connectors.address import RefusedAddress, parse_address, reach, refusal
from connectors.models import LocalAddress, ModelSettings
from core.audit import actor_of, record
from core.errors import Invalid
from core.secrets import open_secret, remove_secret, seal


def allow(session: Session, url: str, *, allow_local: bool) -> None:
    """Refuse an address that may not be used, or put it on the allowlist."""
    address = parse_address(url)
    where = reach(address.ip) if address.ip is not None else "public"
    local = where == "local" or address.host == "localhost"
    never = address.ip and refusal(address.host, address.port, address.ip, local_allowed=True)
    if never:
        raise RefusedAddress(never, param="base_url")
    if local and not allow_local and not is_allowed(session, url):
        raise RefusedAddress(
            f"The address {address.host}:{address.port} is not allowed. Add it on the machine "
            "itself with `promptstone model add`, or ask the administrator.",
            param="base_url",
        )
    if allow_local and not is_allowed(session, url):
        session.add(LocalAddress(host=address.host, port=address.port, actor=actor_of(session)))
        session.flush()
        record(session, "address.allow", f"{address.host}:{address.port}", {})


def is_allowed(session: Session, url: str) -> bool:
    """Whether the exact host:port stands on the allowlist."""
    address = parse_address(url)
    return session.get(LocalAddress, (address.host, address.port)) is not None


def secret_id_of(
    session: Session,
    settings: ModelSettings,
    old: ModelSettings | None,
    key: str | None,
    key_path: Path | None,
) -> str | None:
    """The id of the sealed key that these settings end up with."""
    before = old.secret_id if old else None
    if key is None and settings.api_key_env is None and old is not None and before:
        if host_of(old) != host_of(settings):
            raise Invalid(
                f"The stored key belongs to {host_of(old)}. Enter the key for "
                f"{host_of(settings)}, or remove the model first.",
                param="key",
            )
        return before
    if before:
        remove_secret(session, before)
    if key is None:
        return None
    if key_path is None or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid("The key has characters that no key has. Paste it again.", param="key")
    return seal(session, host_of(settings), key, key_path)


def key_of_model(
    session: Session, name: str, sent: ModelSettings, live: ModelSettings, key_path: Path
) -> str | None:
    """The key for the address of `sent`; raises Invalid when its variable is unset."""
    if host_of(sent) != host_of(live):
        live = sent
    if live.secret_id:
        return open_secret(session, live.secret_id, host_of(sent), key_path)
    if not live.api_key_env:
        return None
    value = os.environ.get(live.api_key_env, "").strip()
    if not value:
        raise Invalid(
            f"The key of the model {name} is read from {live.api_key_env}, which is not set in "
            f"this process (pid {os.getpid()}). Set it where Promptstone is started.",
            param="api_key_env",
        )
    return value


def host_of(settings: ModelSettings) -> str:
    """What a key is bound to: host:port, or the provider whose own client holds the address."""
    if settings.base_url is None:
        return f"{settings.kind}:{settings.provider or settings.backend or ''}"
    address = parse_address(settings.base_url)
    return f"{address.host}:{address.port}"
