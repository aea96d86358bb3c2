"""A few rendering processes shared by all threads, and what happens when one of them dies."""

import contextlib
import json
import queue
import re
from collections.abc import Iterator, Sequence
from typing import Any

from prompts.render_process import RenderProcess, WorkerDiedError

WALL_SECONDS = 4.0
GROUP_WALL_SECONDS = 2.5
_SHORT = 1024 * 1024
_LINE_END = re.compile(r"\r\n|\r")
"""As Jinja's `newline_sequence` has it."""


def verbatim(sources: Sequence[str]) -> list[str] | None:
    """What sources without a `{` say: each tag of Jinja begins with one, so no process is needed.

    None for all others, and for texts so long that their limit has to be looked at.
    """
    if any("{" in source for source in sources) or sum(map(len, sources)) > _SHORT:
        return None
    return [_LINE_END.sub("\n", source) for source in sources]


class RenderPool:
    """Lends one process at a time to one caller; others wait for theirs."""

    def __init__(self, workers: int) -> None:
        self._all = [RenderProcess() for _ in range(workers)]
        self._idle: queue.LifoQueue[RenderProcess] = queue.LifoQueue()
        for worker in reversed(self._all):
            self._idle.put(worker)

    def report(self, sources: Sequence[str], snippets: str = "{}") -> dict[str, Any]:
        """The worker's report of variables, or `{"problem": …}`; `snippets` is JSON."""
        if verbatim(sources) is not None:
            return {}
        with self._worker() as worker:
            try:
                return worker.ask(_compiling(json.dumps(list(sources)), snippets), WALL_SECONDS)
            except WorkerDiedError as death:
                return {"problem": _dead(death)}

    def inlined(self, sources: Sequence[str], snippets: str) -> list[str] | dict[str, Any]:
        """The sources with their snippets put in, or `{"problem": …}`."""
        with self._worker() as worker:
            try:
                encoded = json.dumps(list(sources))
                return worker.ask(_asking("inline", encoded, snippets), WALL_SECONDS)
            except WorkerDiedError as death:
                return {"problem": _dead(death)}

    def answers(
        self,
        sources: Sequence[str],
        threads: frozenset[str],
        group: list[str],
        snippets: str = "{}",
    ) -> list[Any]:
        """The worker's answer to each of the group's inputs, given as JSON texts.

        A group that dies is repeated singly, so that only the guilty ones fail; but if compiling
        alone kills the worker, all fail at once.
        """
        texts = verbatim(sources)
        if texts is not None:
            return [texts] * len(group)
        encoded = json.dumps(list(sources))
        names = json.dumps(sorted(threads))
        start = (
            f'{{"op":"render","sources":{encoded},"threads":{names},'
            f'"snippets":{snippets},"inputs":['
        )
        with self._worker() as worker:
            if len(group) > 1:
                with contextlib.suppress(WorkerDiedError):
                    return worker.ask(_rendering(start, group), GROUP_WALL_SECONDS)
                try:
                    worker.ask(_compiling(encoded, snippets), WALL_SECONDS)
                except WorkerDiedError as death:
                    return [_dead(death)] * len(group)
            return [_single(worker, _rendering(start, [item])) for item in group]

    def chats(self, source: str, group: list[str]) -> list[Any]:
        """What a chat template of a model makes of each of the group's values."""
        start = f'{{"op":"chat","source":{json.dumps(source)},"inputs":['
        with self._worker() as worker:
            return [_single(worker, _rendering(start, [item])) for item in group]

    def launch(self) -> None:
        """Start the process that the next caller gets, without waiting for it."""
        with self._worker() as worker:
            worker.launch()

    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return [worker.pid for worker in self._all if worker.pid is not None]

    def close(self) -> None:
        """End the workers; whoever renders afterwards starts them again."""
        for worker in [self._idle.get() for _ in self._all]:
            worker.kill()
            self._idle.put(worker)

    @contextlib.contextmanager
    def _worker(self) -> Iterator[RenderProcess]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)


def _compiling(sources: str, snippets: str) -> bytes:
    return _asking("variables", sources, snippets)


def _asking(op: str, sources: str, snippets: str) -> bytes:
    return f'{{"op":"{op}","sources":{sources},"snippets":{snippets}}}'.encode("ascii")


def _rendering(start: str, group: list[str]) -> bytes:
    return (start + ",".join(group) + "]}").encode("ascii")


def _single(worker: RenderProcess, request: bytes) -> Any:
    try:
        return worker.ask(request, WALL_SECONDS)[0]
    except WorkerDiedError as death:
        return _dead(death)


def _dead(death: WorkerDiedError) -> dict[str, Any]:
    return {"kind": "limit", "text": str(death)}
