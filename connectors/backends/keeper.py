"""One backend of ours while it runs: its process, whether it answers, what it holds and does."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from connectors.backends import adapters, asking, figures, logs, notes, orphans
from connectors.backends.adapters import Holding
from connectors.backends.asking import Address
from connectors.backends.figures import Figures, Sample
from connectors.backends.launch import Plan, Start
from connectors.backends.models import BackendSettings
from connectors.backends.notes import Note
from connectors.backends.queue import Held
from connectors.client import CheckedClient

LOAD_SECONDS = 45 * 60.0
FIGURES_SECONDS = 5.0
DEAF_SECONDS = 60.0
END_SECONDS = 6.0


class Keeper:
    """Made when a place was found; `begin` starts the process, `look` follows it."""

    def __init__(
        self, data: Path, name: str, settings: BackendSettings, model: str, planned: Plan,
        place: str, mark: str,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.model = model
        self.state: Literal["loading", "ready", "failed"] = "loading"
        self.progress: float | None = None
        self.figures = Figures(reserved=planned.need, place=place)
        self.holding = Holding()
        self.worked_at = time.monotonic()
        self._planned, self._place, self._mark = planned, place, mark
        self._data, self._name = data, name
        self._began = self._heard = time.monotonic()
        self._measured = 0.0
        self._sample: Sample | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._start: Start | None = None

    @property
    def pid(self) -> int | None:
        """Of the guard, whose end is the server's."""
        return None if self._process is None else self._process.pid

    @property
    def address(self) -> Address:
        """Where it answers."""
        assert self._start is not None
        return asking.local(self._start.port, self._start.key)

    @property
    def held(self) -> Held:
        """The memory that it has been promised."""
        return Held(self._place, self._planned.need, self.state == "ready")

    @property
    def is_idle(self) -> bool:
        """Whether nobody has asked it for as long as its settings bear."""
        most = self.settings.idle_minutes * 60
        return self.state == "ready" and 0 < most < time.monotonic() - self.worked_at

    def begin(self, start: Start) -> None:
        """Start the server; its guard ends with the pipe that this process holds."""
        log = notes.log_of(self._data, self._name)
        log.with_name(log.name + ".old").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            log.replace(log.with_name(log.name + ".before"))
        self._start = start
        self._process = subprocess.Popen(
            start.command, env=dict(start.environment), stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=log.parent,
            start_new_session=True,
        )  # fmt: skip
        self._tell()

    async def look(self, client: CheckedClient, asked: Mapping[str, str], root: Path) -> str | None:
        """Bring everything up to date; why it failed, if it did."""
        assert self._process is not None
        if self._process.poll() is not None:
            return await asyncio.to_thread(self._ended)
        if self.state == "loading":
            return await self._loading(client)
        await self._sync(client, asked, root)
        now = time.monotonic()
        if now - self._measured >= FIGURES_SECONDS:
            self._measured = now
            await self._measure(client)
        if time.monotonic() - self._heard > DEAF_SECONDS:
            return "Its server did not answer for a minute and was ended. Read its log."
        return None

    async def end(self) -> None:
        """Stop it and leave nothing of it."""
        notes.drop_note(self._data, self._name)
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, END_SECONDS)
        if process.poll() is None:
            process.kill()
            await asyncio.to_thread(process.wait)
        if process.stdin is not None:
            process.stdin.close()
        # A guard that ended by itself has left nothing; one that was killed may have.
        boot = orphans.boot_id()
        await asyncio.to_thread(orphans.end_session, process.pid, boot, self._mark)

    def _ended(self) -> str:
        assert self._process is not None
        log = logs.tail(notes.log_of(self._data, self._name))
        return logs.reason(log, self._process.returncode, self._name)

    async def _loading(self, client: CheckedClient) -> str | None:
        log = await asyncio.to_thread(logs.tail, notes.log_of(self._data, self._name))
        self.progress = logs.progress(log)
        health = await asking.ask(client, self.address, "health")
        if health.status == 200 and await asking.answers(client, self.address, self.model):
            self.state, self.progress = "ready", None
            self._heard = self.worked_at = time.monotonic()
            self._tell()
        elif time.monotonic() - self._began > LOAD_SECONDS:
            return "Its server did not get ready in 45 minutes. Read its log."
        return None

    async def _sync(self, client: CheckedClient, asked: Mapping[str, str], root: Path) -> None:
        if not self.settings.lora:
            return
        now = await adapters.bring(client, self.address, asked, self.holding, root)
        if now != self.holding:
            self.holding = now
            self._tell()

    async def _measure(self, client: CheckedClient) -> None:
        text = await asking.metrics(client, self.address)
        if text is None:
            return
        self._heard = time.monotonic()
        sample = figures.read_sample(text, self._heard)
        if figures.worked(sample, self._sample):
            self.worked_at = self._heard
        memory = await asyncio.to_thread(orphans.memory_of, self.pid or 0)
        self.figures = figures.figures(sample, self._sample).model_copy(
            update={"memory": memory, "reserved": self._planned.need, "place": self._place}
        )
        self._sample = sample

    def _tell(self) -> None:
        """Let callers know."""
        assert self._start is not None
        note = Note(
            state=self.state,
            pid=self.pid,
            boot=orphans.boot_id(),
            port=self._start.port,
            key=self._start.key,
            model=self.model,
            context=self._planned.context,
            adapters=tuple(self.holding.loaded),
            refused=dict(self.holding.refused),
        )
        notes.write_note(self._data, self._name, note)
