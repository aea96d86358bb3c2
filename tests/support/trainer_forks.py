"""Jobs of the trainer as forks of one process that has imported its libraries, which takes seconds.

Run by the trainer's Python: a line of JSON on stdin starts a job (folder, log, stdin: a FIFO), lines
on stdout say its pid and, later, how it ended. A fork runs what `python -m MODULE FOLDER` runs.
"""

import importlib
import json
import os
import select
import sys
from pathlib import Path


def serve() -> None:
    """Until stdin ends."""
    from tuning.trainer import run  # noqa: F401

    open_pids: set[int] = set()
    _say({"ready": True})
    while True:
        ready, _, _ = select.select([0], [], [], 0.02)
        if ready:
            line = sys.stdin.readline()
            if not line:
                return
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _child(order)
            open_pids.add(pid)
            _say({"number": order["number"], "pid": pid})
        for pid in list(open_pids):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                open_pids.remove(pid)
                _say({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _child(order: dict[str, str]) -> None:
    code = 70
    try:
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(order["stdin"], os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if order.get("build"):
            from tests.support.tiny_model import build

            build(Path(order["folder"]))
            code = 0
        else:
            sys.argv = [order["module"], order["folder"]]
            code = importlib.import_module(order["module"]).main()
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    serve()
