"""Evaluators as options name them: kinds, files, and those that the workspace keeps by name."""

from collections.abc import Sequence
from typing import Any

from app.cli import state


def with_saved(texts: Sequence[str]) -> list[str | dict[str, Any]]:
    """Names of the workspace's own evaluators as their settings; other texts as they are."""
    if not texts:
        return []
    from core.workspace_settings import get_setting

    with state.reading() as session:
        saved = dict(get_setting(session, "evaluators", {}))
    return [saved.get(text.strip(), text) for text in texts]
