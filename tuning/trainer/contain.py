"""A trainer stays alone and leaves nothing behind: its group, its environment, its memory."""

import os
import resource
import signal
import threading
import time
import warnings
from collections.abc import Callable

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "WANDB_DISABLED": "true",
}
_GIB = 1 << 30


def leave_networks() -> None:
    """Tell every library, before it is imported, that there is no network."""
    os.environ.update(_OFFLINE)
    warnings.filterwarnings("ignore", category=FutureWarning)


def end_with_stdin(*, own_group: bool) -> None:
    """End this process and all of its group as soon as nobody holds the other end of stdin."""
    if own_group and os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    threading.Thread(target=_watch, name="stdin", daemon=True).start()


def limit_memory(gib: float | None) -> None:
    """Let what exceeds `gib` of own memory fail here, instead of the machine's other processes."""
    if gib is not None:
        most = int(gib * _GIB)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


class Stopping:
    """Whether somebody asked to stop (SIGTERM): the step is finished and kept."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Hear SIGTERM and SIGINT from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: object) -> None:
        self.asked = True


def end_after(seconds: float | None, tell: Callable[[], None]) -> None:
    """A step that hangs is not waited for: after `seconds`, `tell` and end the whole group."""
    if seconds is None:
        return

    def wait() -> None:
        time.sleep(seconds)
        tell()
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="limit", daemon=True).start()


def _watch() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
