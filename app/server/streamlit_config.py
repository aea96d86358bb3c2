"""The settings of Streamlit that safety rests on: set here, and refused when a user flips one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import Invalid
from core.settings import Settings

SCRIPT = Path(__file__).parents[1] / "workspace" / "main.py"
GUARDED: Mapping[str, Any] = {
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.scriptHealthCheckEnabled": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    # A value that stands alone on a line of a page would be written as Markdown.
    "runner.magicEnabled": False,
    "browser.gatherUsageStats": False,
    "global.developmentMode": False,
}
_FIXED: Mapping[str, Any] = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "logger.hideWelcomeMessage": True,
}


def _streamlits() -> Any:
    """Streamlit's configuration; 14 MiB that a process without pages does not spend."""
    from streamlit import config

    return config


def configure(settings: Settings, port: int) -> None:
    """Set what we need; raises Invalid when the user's own configuration flips a guard."""
    config = _streamlits()
    # The looks stand beside the entry script; Streamlit reads them there only if told before.
    config._main_script_path = str(SCRIPT)
    config.get_config_options(force_reparse=True)
    for key, wanted in GUARDED.items():
        _refuse_flip(key, wanted)
    for key, value in (*GUARDED.items(), *_FIXED.items()):
        config.set_option(key, value)
    config.set_option("server.port", port)
    config.set_option("server.address", settings.host)
    check_guards()


def check_guards() -> None:
    """Raise Invalid unless every guard stands as it must."""
    config = _streamlits()
    for key, wanted in GUARDED.items():
        if config.get_option(key) != wanted:
            raise _flipped(key, wanted, "while the server started")


def _refuse_flip(key: str, wanted: Any) -> None:
    config = _streamlits()
    variable = config._config_options_template[key].env_var
    given = os.environ.get(variable)
    if given is not None and given.lower() != str(wanted).lower():
        raise _flipped(key, wanted, f"by the variable {variable}")
    if config.is_manually_set(key) and config.get_option(key) != wanted:
        raise _flipped(key, wanted, f"in {config.get_where_defined(key)}")


def _flipped(key: str, wanted: Any, where: str) -> Invalid:
    value = str(wanted).lower() if isinstance(wanted, bool) else repr(wanted)
    return Invalid(
        f"Streamlit's {key} was changed {where}; Promptstone is safe only with {value}. "
        "Remove that setting and start again."
    )
