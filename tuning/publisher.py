"""Carries out what was asked of a trained model: to a server, compared, published, proven."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from connectors.backends import notes
from connectors.backends import service as backends
from connectors.backends.asking import Address, local
from connectors.backends.models import BackendSettings
from connectors.backends.notes import Note
from connectors.client import CheckedClient
from connectors.service import get_model
from core.database import Database
from core.errors import Conflict, LostLease, PromptstoneError, Unavailable
from core.job_board import JobBoard
from core.jobs import Claim, check_fence, claim, finish, open_jobs, place, release, renew
from tuning import jobs, proof, serving
from tuning.bases import served_base
from tuning.checkpoints import verify
from tuning.folders import adapter_folder, job_folder
from tuning.jobs import JobPublic
from tuning.merging import merge
from tuning.methods import Full
from tuning.parity import Certificate, certify, read_reference
from tuning.serving import KIND, Serving, State, serving_of

ACTOR = "worker"
LOOK_SECONDS = 0.05
IDLE_SECONDS = 0.25
"""Between two looks for an ask: each is a read of the database, in every worker."""
RENEW_SECONDS = 5.0
LOAD_SECONDS = 1800.0
"""The largest models take a quarter of an hour from a slow disk."""
log = logging.getLogger("promptstone.tuning")


def next_asked(database: Database) -> str | None:
    """The oldest ask that nobody works on, by the job's id."""
    with database.read_scope() as session:
        found = open_jobs(session, KIND, database.settings.data)
    return next((one.ref for one in found if one.expired), None)


async def carry_out(database: Database, job_id: str, stop: asyncio.Event) -> None:
    """Take an ask and see it through; one that `stop` cuts short waits for the next worker."""
    held = await asyncio.to_thread(_take, database, job_id)
    if held is None:
        return
    beating = asyncio.create_task(_beat(database, held))
    working = asyncio.create_task(_Work(database, job_id).run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({beating, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        reason = None
        if working.done():
            reason = _reason(working)
        elif stopping.done():
            await asyncio.to_thread(_give_back, database, held)
            return
        await asyncio.to_thread(_end, database, held, reason)
    except LostLease:
        log.info("another worker has taken %s over", job_id)
    finally:
        for task in (beating, working, stopping):
            task.cancel()
        await asyncio.gather(beating, working, stopping, return_exceptions=True)


def _take(database: Database, job_id: str) -> Claim | None:
    owner = place(database.settings.data)
    with database.session_scope(ACTOR) as session:
        return claim(session, KIND, owner, ref=job_id)


def _give_back(database: Database, held: Claim) -> None:
    with database.session_scope(ACTOR) as session:
        release(session, held)


def _end(database: Database, held: Claim, reason: str | None) -> None:
    with database.session_scope(ACTOR) as session:
        check_fence(session, held)
        if reason is not None:
            serving.tell(session, held.ref, "failed", reason)
        finish(session, held)


async def _beat(database: Database, held: Claim) -> None:
    def beat() -> None:
        with database.session_scope(ACTOR) as session:
            renew(session, held)

    while True:
        await asyncio.sleep(RENEW_SECONDS)
        await asyncio.to_thread(beat)


def _reason(working: "asyncio.Task[None]") -> str | None:
    """Why it failed, for people; None when it did not."""
    error = working.exception()
    if error is None:
        return None
    if isinstance(error, PromptstoneError):
        return error.message
    log.error("publishing failed", exc_info=error)
    return f"It could not be published ({type(error).__name__}: {error}). Read the server's log."


class _Work:
    """One ask, from the adapter's files to what follows when the model answers."""

    def __init__(self, database: Database, job_id: str) -> None:
        self._database = database
        self._data = database.settings.data
        self._job_id = job_id

    async def run(self) -> None:
        job, asked = await asyncio.to_thread(self._read)
        folder = await asyncio.to_thread(self._checked, job)
        if not await asyncio.to_thread(self._is_there, job, asked):
            await asyncio.to_thread(self._bring, job, asked, folder)
        await asyncio.to_thread(self._tell, "loading")
        async with CheckedClient() as client:
            at, model = await self._ready(job, asked)
            await asyncio.to_thread(self._tell, "comparing")
            found = await asyncio.to_thread(read_reference, folder)
            parity = None if found is None else await certify(client, at, model, found)
        await asyncio.to_thread(self._served, parity)

    def _read(self) -> tuple[JobPublic, Serving]:
        with self._database.read_scope() as session:
            job = jobs.get(session, self._data, self._job_id)
        asked = serving_of(job)
        assert asked is not None
        return job, asked

    def _tell(self, state: State) -> None:
        with self._database.session_scope(ACTOR) as session:
            serving.tell(session, self._job_id, state)

    def _checked(self, job: JobPublic) -> Path:
        """The adapter's folder, if it is what the training left. Raises Conflict or Invalid."""
        folder = adapter_folder(self._data, job.id)
        assert job.result is not None
        if verify(folder).hash != job.result["adapter_hash"]:
            raise Conflict(f"The adapter of {job.name} has been changed. Train it again.")
        return folder

    def _is_there(self, job: JobPublic, asked: Serving) -> bool:
        with self._database.read_scope() as session:
            known = {one.name for one in backends.list_backends(session)}
            if asked.route.backend not in known or asked.route.kind != "adapter":
                return asked.route.backend in known
            held = backends.adapters_of(session, asked.route.backend)
            return any(one.model == job.name for one in held)

    def _bring(self, job: JobPublic, asked: Serving, folder: Path) -> None:
        """Ask a backend for it: as an adapter, or as a backend of its own."""
        kind, name = asked.route
        if kind == "adapter":
            with self._database.session_scope(job.author) as session:
                backends.serve_adapter(session, name, job.name, folder)
            notes.nudge(self._data)
            return
        settings = self._settings(job, asked, folder)
        with self._database.session_scope(job.author) as session:
            backends.add_backend(session, name, settings, owner=place(self._data))
            backends.start_backend(session, name)
        notes.nudge(self._data)

    def _settings(self, job: JobPublic, asked: Serving, folder: Path) -> BackendSettings:
        base = served_base(self._data, job.manifest.base)
        match asked.route.kind:
            case "merged":
                self._tell("merging")
                whole = merge(self._data, job, log.info)
                return BackendSettings(kind="vllm", source=str(whole))
            case "weights":
                return BackendSettings(kind="vllm", source=str(folder))
            case _ if isinstance(job.manifest.adapter, Full):
                return BackendSettings(kind="peft", source=str(folder))
            case _:
                return BackendSettings(kind="peft", source=str(base), adapter=str(folder))

    async def _ready(self, job: JobPublic, asked: Serving) -> tuple[Address, str]:
        """Where the model answers, waking its server if it sleeps. Raises Unavailable."""
        model = await asyncio.to_thread(self._served_name, job)
        name, until, woken = asked.route.backend, time.monotonic() + LOAD_SECONDS, 0.0
        while time.monotonic() < until:
            note = await asyncio.to_thread(notes.read_note, self._data, name)
            if note is not None:
                self._refuse(note, model, name)
                if note.state == "ready" and model in (note.model, *note.adapters):
                    assert note.port is not None
                    return local(note.port, note.key), model
            if time.monotonic() - woken > 1.0:
                woken = time.monotonic()
                await asyncio.to_thread(notes.ask_for, self._data, name)
            await asyncio.sleep(LOOK_SECONDS)
        raise Unavailable(f"The backend {name} was not ready in time. Look at its log.")

    def _served_name(self, job: JobPublic) -> str:
        with self._database.read_scope() as session:
            return get_model(session, job.name).settings.model

    def _refuse(self, note: Note, model: str, backend: str) -> None:
        why = note.refused.get(model)
        if why is None and note.state == "failed" and note.final:
            why = note.reason
        if why is not None:
            raise Unavailable(f"The backend {backend} cannot serve it: {why}")

    def _served(self, parity: Certificate | None) -> None:
        """The certificate stands in the database and beside the adapter; then what follows."""
        document = None if parity is None else parity.model_dump(mode="json")
        with self._database.session_scope(ACTOR) as session:
            asked = serving.is_served(session, self._job_id, document)
        if parity is not None:
            place_of = job_folder(self._data, self._job_id) / "parity.json"
            place_of.write_text(parity.model_dump_json(indent=1), encoding="utf-8")
        if asked.proof is not None:
            proof.begin(self._database, self._job_id, asked.proof)


async def keep_publishing(
    database: Database,
    stop: asyncio.Event,
    board: JobBoard,
    say: Callable[[str], None] = log.info,
) -> None:
    """Carry asks out until `stop`."""
    while not stop.is_set():
        found = await board.find(KIND, next_asked)
        if found is not None:
            say(f"publishing {found}")
            await carry_out(database, found, stop)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), IDLE_SECONDS)
