"""Where an app is called, and by which name."""

from urllib.parse import urlsplit

import streamlit as st

from app.server import context
from app.workspace.components.publishing import View
from serving.lookup import DEFAULT_ALIAS


def address() -> str:
    """Where this server is public, else as this browser reaches it, else where it listens."""
    settings = context.current().settings
    if settings.public_url:
        return settings.public_url.rstrip("/")
    found = urlsplit(str(st.context.url or ""))
    if found.scheme in ("http", "https") and found.netloc:
        return f"{found.scheme}://{found.netloc}"
    return f"http://{settings.host}:{settings.port}"


def model_name(seen: View) -> str:
    """What a client writes as `model`: the app alone where production points somewhere."""
    names = [one.name for one in seen.aliases]
    if DEFAULT_ALIAS in names:
        return seen.name
    return f"{seen.name}@{names[0] if names else seen.app.newest}"


def model_ref(seen: View) -> int:
    """The release that `model_name` means, without a canary."""
    named = {one.name: one.release for one in seen.aliases}
    return named.get(DEFAULT_ALIAS) or next(iter(named.values()), seen.app.newest)
