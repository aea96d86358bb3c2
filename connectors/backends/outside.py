"""A server that somebody else runs: only looked at, now and then."""

import os
import time

from connectors.backends import asking, figures
from connectors.backends.asking import Address
from connectors.backends.figures import Figures, Sample
from connectors.backends.rows import Asked, Seen
from connectors.client import CheckedClient

LOOK_SECONDS = 10.0


class Outside:
    """What was seen of it last."""

    def __init__(self) -> None:
        self._due = 0.0
        self._seen: Seen | None = None
        self._sample: Sample | None = None

    async def look(self, client: CheckedClient, asked: Asked) -> None:
        """Ask it for its models and figures, if it is time to."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_SECONDS
        settings = asked.settings
        assert settings.base_url is not None
        key = os.environ.get(settings.api_key_env or "")
        listed = await asking.ask(client, Address(settings.base_url, key), "models")
        if listed.status != 200:
            said = f"HTTP {listed.status}" if listed.status else "nobody answers there"
            why = f"It does not answer at {settings.base_url} ({said}). Start it there."
            self._seen = Seen("failed", why, base_url=settings.base_url)
            return
        root = settings.base_url.removesuffix("/v1")
        text = await asking.metrics(client, Address(root, key))
        known = Figures()
        if text is not None:
            sample = figures.read_sample(text, time.monotonic())
            known, self._sample = figures.figures(sample, self._sample), sample
        self._seen = Seen("ready", None, base_url=settings.base_url, figures=known)

    def seen(self, asked: Asked) -> Seen:
        """The last look; loading until there was one."""
        return self._seen or Seen("loading", None, base_url=asked.settings.base_url)
