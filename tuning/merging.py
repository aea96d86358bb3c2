"""Merges a job's adapter into its base, by a child in the trainer's environment."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from connectors.backends.formats import check_adapter, check_model
from core.errors import Invalid, Unavailable
from prompts.chat_template import check_chat_template
from tuning import environment, merged
from tuning.bases import hash_of
from tuning.checkpoints import verify
from tuning.folders import job_folder, root
from tuning.jobs import JobPublic
from tuning.owner import trainer_environment

_REFUSED = 3
"""`tuning.trainer.merge` ends so when it cannot be done at all."""


def merge(data: Path, job: JobPublic, say: Callable[[str], None]) -> Path:
    """The folder of full weights of a job that ended, made now unless it is there; minutes.

    `say` gets its progress, from this thread. Of a training of all weights it is their own folder.
    Never within a transaction. Raises Invalid or Unavailable.
    """
    manifest, folder = job.manifest, job_folder(data, job.id)
    why = merged.refusal(manifest.method, manifest.adapter)
    if why is not None:
        raise Invalid(why)
    if job.status != "completed":
        raise Invalid(f"{job.name} is {job.status}, so it left no adapter. Let it end first.")
    adapter = verify(folder / "adapter")
    if manifest.adapter.kind == "full":
        return adapter.path
    found = merged.find(folder, adapter.hash)
    if found is not None:
        say("It is merged already.")
        return found
    check_adapter(adapter.path, root(data))
    _check_base(Path(manifest.base.path), manifest.base.hash)
    _run(environment.find(data), folder, say)
    made = merged.find(folder, adapter.hash)
    if made is None:
        raise Unavailable("What was merged is not whole. Look at the disk, then merge again.")
    return made


def _check_base(base: Path, expected: str) -> None:
    check_model(base, check_chat_template)
    if hash_of(base) != expected:
        raise Invalid(
            f"The base {base.name} is another than the adapter was trained on. Put its files back, "
            "or tune anew."
        )


def _run(python: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Follow the child to its end; it ends with the pipe to its stdin, and so with us."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [str(python), "-P", "-m", "tuning.trainer.merge", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=folder,
            env=trainer_environment(), start_new_session=True,
        )  # fmt: skip
        try:
            assert child.stdout is not None
            for line in child.stdout:
                say(line.decode("utf-8", "replace").strip()[:500])
            code = child.wait()
        finally:
            _end(child)
        if code:
            raise _failure(code, _last_line(errors))


def _failure(code: int, said: str) -> Exception:
    if code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        return Unavailable(
            f"The merge was ended ({name}); the machine was probably out of memory. Merge again "
            "when less runs on it."
        )
    text = said or "The merge ended and said nothing. Merge again."
    return Invalid(text) if code == _REFUSED else Unavailable(text)


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - 4096))
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Leave nothing of the child's group behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()
