"""The child process of `prompts.template`: compiles and renders Jinja2 for requests on stdin.

Started as a file (`python -I -S -B render_worker.py JINJA2_FOLDER OUR_FOLDER`), it imports
jinja2, the standard library and a few modules of ours; it can open no file, start no process, and
ends when stdin does. A message on either pipe is four bytes of length (big endian) and that much
JSON in ASCII.
"""

import json
import resource
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter
from typing import Any, BinaryIO

sys.path += sys.argv[1:]
from prompts.discovery import report
from prompts.filling import chats, render, texts
from prompts.inlining import inline
from prompts.pinned import PINNED

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 2
WARM_UP = (
    "{% for x in xs %}{{ '\\n' ~ x|upper }}{% endfor %}{% set \xe9 = 1 %}"
    "{{ xs|pprint|wordwrap(9)|striptags }}"
)
Json = dict[str, Any]


def answer(request: Json) -> Any:
    PINNED.use(request.get("snippets") or {})
    match request["op"]:
        case "render":
            return render(request)
        case "chat":
            return chats(request)
        case "inline":
            return inline(request["sources"])
        case _:
            return report(request["sources"])


def confine() -> None:
    """No more files, processes or file writes, 512 MB of address space; hard limits."""
    for name, limit in (
        ("RLIMIT_AS", MEMORY_BYTES),
        ("RLIMIT_NOFILE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
    ):
        try:
            resource.setrlimit(getattr(resource, name), (limit, limit))
        except (AttributeError, ValueError, OSError):  # this system has no such limit
            continue


def warm_up() -> None:
    """Load what jinja2 and the codecs import late, then let nothing be imported from files."""
    texts([WARM_UP], {"xs": ["\xe9"]})
    sys.path.clear()
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]


def allow_cpu() -> None:
    """Let this process use about two more CPU seconds: RLIMIT_CPU counts its whole life."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime) + CPU_SECONDS
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def read_exactly(stream: BinaryIO, size: int) -> bytes | None:
    body = stream.read(size)
    return body if len(body) == size else None


def main() -> None:
    warm_up()
    confine()
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while head := read_exactly(stdin, 4):
        body = read_exactly(stdin, int.from_bytes(head, "big"))
        if body is None:
            return
        allow_cpu()
        reply = json.dumps(answer(json.loads(body))).encode("ascii")
        stdout.write(len(reply).to_bytes(4, "big") + reply)
        stdout.flush()


if __name__ == "__main__":
    main()
