"""`promptstone up`: what can be refused is refused before anything heavy is imported."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from app.server.binding import bind, url_of
from core.errors import Conflict, Invalid
from core.locks import FileLock, holder_note
from core.settings import Settings


def up(settings: Settings, role: str) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    if role != "all" and settings.url.startswith("sqlite"):
        raise Invalid(
            f"The role {role} shares the database with other processes and needs PostgreSQL. "
            "Set PROMPTSTONE_DATABASE_URL, or use --role all."
        )
    signal.signal(signal.SIGTERM, _leave)
    if role == "worker":
        return _work(settings)
    with _only_one(settings, role) as lock:
        listener = bind(settings.host, settings.port)
        port = listener.getsockname()[1]
        settings = settings.model_copy(update={"port": port})
        url = url_of(settings.host, port)
        if lock is not None:
            lock.path.write_text(url)
        from app.server.run import serve

        return serve(settings, role, listener, url)


def _work(settings: Settings) -> int:
    """Take runs and ingests; answers for its health where it was given a port."""
    if "port" not in settings.model_fields_set:
        from app.server.worker import serve as work

        return work(settings)
    listener = bind(settings.host, settings.port)
    from app.server.probes import probes
    from app.server.worker import serve as work

    with probes(settings, listener):
        print(f"Promptstone is ready at {url_of(settings.host, listener.getsockname()[1])}",
              flush=True)  # fmt: skip
        return work(settings)


@contextlib.contextmanager
def _only_one(settings: Settings, role: str) -> Iterator[FileLock | None]:
    if role != "all":
        yield None
        return
    lock = FileLock(settings.data / "server.lock")
    if not lock.try_acquire(url_of(settings.host, settings.port)):
        first = holder_note(lock.path) or "an address it has not told yet"
        raise Conflict(
            f"A server already runs on {settings.data}, at {first}. Use that one, or stop it, or "
            "choose another folder with --data-dir."
        )
    try:
        yield lock
    finally:
        lock.release()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM before anything is served: nothing is in flight, so the end is clean."""
    sys.exit(0)
