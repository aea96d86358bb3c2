"""Import what the pages need while nobody waits, so that it is frozen out of later collections."""

import contextlib
import pkgutil
from importlib import import_module

import app.workspace.components
import app.workspace.tabs

_HEAVY = ("altair", "numpy", "pandas", "pyarrow", "scipy.stats")


def preload() -> None:
    """Once the runtime exists: the components register with it as they are imported."""
    names = list(_HEAVY)
    for package in (app.workspace.components, app.workspace.tabs):
        names += [
            found.name for found in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
        ]
    for name in names:
        # A page that cannot be imported says so itself when it is opened.
        with contextlib.suppress(Exception):
            import_module(name)
