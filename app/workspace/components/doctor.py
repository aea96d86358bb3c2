"""What `promptstone doctor` finds, asked of the command itself."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import streamlit as st

from app.server import context
from core.errors import Unavailable

_SECONDS = 60


class Finding(NamedTuple):
    """One thing looked at: ok, note or wrong."""

    what: str
    state: str
    message: str


@st.cache_data(ttl=60, show_spinner=False)
def findings() -> list[Finding]:
    """All findings; kept for a minute, because the check walks every page of the database."""
    settings = context.current().settings
    environment = {**os.environ, **settings.as_environment()}
    command = [sys.executable, "-m", "app.cli.main", "--data-dir", str(settings.data)]
    try:
        done = subprocess.run(
            [*command, "doctor", "--json"], capture_output=True, env=environment, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
        return [Finding(**one) for one in json.loads(done.stdout)["findings"]]
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            "The check did not end. Run `promptstone doctor` in a terminal."
        ) from error
