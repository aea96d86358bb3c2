"""The process that runs one of the administrator's evaluators: without network, files or children.

Started as a file (`python -I -B own_worker.py OUR_FOLDER MEMORY_BYTES SECONDS`). Reads the source
as one JSON line, then a case a line; writes a JSON line for each. What is printed is lost.
"""

import json
import math
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(sys.argv[1])
from rag.parsing import confine

_REFUSED = (
    "socket.", "subprocess.", "ctypes.", "pty.", "shutil.", "tempfile.", "webbrowser.",
    "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.kill", "os.remove",
    "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink",
    "os.truncate", "os.putenv", "sqlite3.", "urllib.", "http.", "ftplib.", "smtplib.",
)  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        raise PermissionError("an evaluator writes no files")
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is refused in an evaluator")


def _readable_by_all(path: Path) -> bool:
    return all(place.stat().st_mode & 0o004 for place in (path, *path.parents))


def _told(found: Any) -> dict[str, Any]:
    """What `score` returned, as a value and a reason."""
    reason: Any = ""
    if isinstance(found, (tuple, list)) and len(found) == 2:
        found, reason = found
    elif isinstance(found, dict):
        found, reason = found.get("score"), found.get("reason") or ""
    if found is None:
        return {"value": None, "reason": str(reason) or "it gave no score"}
    if not isinstance(found, (bool, int, float)) or not math.isfinite(found):
        return {"value": None, "reason": f"it gave {str(found)[:100]!r}, which is no score"}
    return {"value": float(found), "reason": str(reason)}


def _failed(error: BaseException) -> dict[str, Any]:
    line, at = "", error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == "<evaluator>":
            line = f", line {at.tb_lineno}"
        at = at.tb_next
    if isinstance(error, SyntaxError):
        line = f", line {error.lineno}"
    if isinstance(error, MemoryError):
        return {"value": None, "reason": f"it needs too much memory{line}"}
    return {"value": None, "reason": f"it failed{line}: {type(error).__name__}: {str(error)[:300]}"}


def _answer(work: Callable[[], Any], seconds: int) -> dict[str, Any]:
    confine.allow_seconds(seconds)
    try:
        return _told(work())
    except BaseException as error:  # also SystemExit: its own end is no end of this process
        return _failed(error)
    finally:
        confine.allow_seconds(0)


def main() -> None:
    memory, seconds = int(sys.argv[2]), int(sys.argv[3])
    lines = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    confine.leave_network()
    if _readable_by_all(Path(os.__file__)):  # else nobody could import a module any more
        confine.drop_rights()
    confine.bound(memory, files=64)
    sys.addaudithook(_audit)
    names: dict[str, Any] = {"__name__": "evaluator"}
    source = json.loads(lines.readline())
    loaded = _answer(
        lambda: exec(compile(source, "<evaluator>", "exec"), names),  # noqa: S102
        seconds,
    )
    broken = None if loaded["reason"] == "it gave no score" else loaded
    score = names.get("score")
    if broken is None and not callable(score):
        broken = {"value": None, "reason": "it has no function score(output, case); add it"}
    for line in lines:
        given = json.loads(line)
        said = broken or _answer(partial(score, given.pop("output"), given), seconds)  # type: ignore[arg-type]
        said["reason"] = said["reason"][:2_000].encode("utf-8", "backslashreplace").decode()
        answers.write(json.dumps(said).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
