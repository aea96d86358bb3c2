"""The one renderer: Jinja2 in confined child processes, so that no template can harm or hang us.

Preview, save, test, batch and endpoint all come here. Compiling, finding variables and rendering
run in `render_worker`; this side checks that values are plain and speaks to a small pool.
"""

import asyncio
import atexit
import contextlib
import json
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from core.errors import Invalid
from prompts.content import Message, MessageTemplate, PromptContent
from prompts.plain import PlainInputs, check_plain, check_threads
from prompts.render_process import RenderProcess, WorkerDiedError

GROUP = 32
WORKERS = 2
WALL_SECONDS = 4.0
GROUP_WALL_SECONDS = 2.5
GROUP_BYTES = 8 * 1024 * 1024
REQUEST_BYTES = 32 * 1024 * 1024


class VariableReport(NamedTuple):
    """What the templates read, in order of appearance.

    `attributes` are the keys read from a variable (`customer.name`), `optional` the variables
    under `default` or `is defined`, `looped` those a `for` goes through.
    """

    used: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]]
    optional: tuple[str, ...]
    looped: tuple[str, ...]


class VariableCheck(NamedTuple):
    """Declared and used variables told apart.

    `missing` are read by a template, but neither declared nor optional.
    """

    used: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]


class RenderedPrompt(NamedTuple):
    """The messages of one rendering, as they go over the wire."""

    messages: list[Message]


@dataclass(frozen=True)
class TemplateProblem:
    """Why a template failed, as a value.

    `message` counts from 0 and `line` from 1 within it; `name` is the variable that is missing.
    """

    kind: Literal["missing", "syntax", "refused", "limit", "runtime"]
    sentence: str
    message: int | None = None
    line: int | None = None
    name: str | None = None


class TemplateError(Invalid):
    """A template cannot be compiled or rendered; `problem` says where."""

    def __init__(self, problem: TemplateProblem) -> None:
        super().__init__(problem.sentence, param=problem.name, code=f"template_{problem.kind}")
        self.problem = problem
        self.line = problem.line
        self.message_index = problem.message


_REMEDIES = {
    "missing": "Give it a value, or a default.",
    "syntax": "Correct the template there.",
    "refused": "Remove it: templates may only read their variables.",
    "limit": "Make the template or its values smaller (8 MiB of text, 2 seconds, 512 MB).",
    "runtime": "Correct the template or the value it reads.",
}


def _problem(found: dict[str, Any]) -> TemplateProblem:
    """The sentence for what the worker told: place, cause, remedy."""
    index, line, name = found.get("message"), found.get("line"), found.get("name")
    place = "The prompt" if index is None else f"Message {index + 1}"
    if line is not None:
        place += f", line {line}"
    cause = f"the variable {name!r} has no value" if name else str(found["text"]).rstrip(".")
    sentence = f"{place}: {cause}. {_REMEDIES[found['kind']]}"
    return TemplateProblem(found["kind"], sentence, index, line, name)


class _Encoded(NamedTuple):
    """One rendering to do: the inputs, and their JSON."""

    inputs: PlainInputs
    json: str


class _Frame(NamedTuple):
    """A render request up to its inputs, and the request that only compiles the same sources."""

    start: bytes
    compiling: bytes


class Renderer:
    """A pool of workers with a synchronous and an asynchronous face; safe to share by threads."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._all = [RenderProcess() for _ in range(workers)]
        self._idle: queue.LifoQueue[RenderProcess] = queue.LifoQueue()
        for worker in reversed(self._all):
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="render")

    def variables(self, messages: Sequence[MessageTemplate]) -> VariableReport:
        """The variables the messages read; raises TemplateError if one cannot be compiled."""
        request = {"op": "variables", "sources": [m.content for m in messages]}
        try:
            with self._worker() as worker:
                found = worker.ask(json.dumps(request).encode("ascii"), WALL_SECONDS)
        except WorkerDiedError as death:
            raise TemplateError(_problem({"kind": "limit", "text": str(death)})) from None
        if "problem" in found:
            raise TemplateError(_problem(found["problem"]))
        attributes = {name: tuple(keys) for name, keys in found["attributes"].items()}
        return VariableReport(
            tuple(found["used"]), attributes, tuple(found["optional"]), tuple(found["looped"])
        )

    def render(
        self,
        messages: Sequence[MessageTemplate],
        inputs: Mapping[str, Any],
        threads: frozenset[str] = frozenset(),
    ) -> RenderedPrompt:
        """The messages with `inputs` filled in; raises TemplateError, or TypeError for objects."""
        (result,) = self.render_many(messages, [inputs], threads)
        if isinstance(result, TemplateProblem):
            raise TemplateError(result)
        return result

    def render_content(self, content: PromptContent, inputs: Mapping[str, Any]) -> RenderedPrompt:
        """`render` of a version's content, its inputs of kind thread inserted as messages."""
        return self.render(content.messages, inputs, content.threads)

    def render_many(
        self,
        messages: Sequence[MessageTemplate],
        inputs: Sequence[Mapping[str, Any]],
        threads: frozenset[str] = frozenset(),
    ) -> list[RenderedPrompt | TemplateProblem]:
        """One result for each of `inputs`, in their order; a failure is a value at its place.

        `threads` names the inputs whose lists of `{role, content}` become messages where they
        stand alone on a line. Raises TypeError, before anything is rendered, if a value is not
        plain str, int, float, bool, None, list or dict.
        """
        encoded = [_encode(values, threads) for values in inputs]
        frame = _frame(messages, threads)
        results: list[RenderedPrompt | TemplateProblem] = []
        for group in _groups(encoded):
            answers = self._group(frame, [item.json for item in group])
            for item, answer in zip(group, answers, strict=True):
                results.append(_result(messages, item.inputs, answer))
        return results

    async def arender_many(
        self,
        messages: Sequence[MessageTemplate],
        inputs: Sequence[Mapping[str, Any]],
        threads: frozenset[str] = frozenset(),
    ) -> list[RenderedPrompt | TemplateProblem]:
        """`render_many` beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self.render_many, messages, inputs, threads
        )

    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return [worker.pid for worker in self._all if worker.pid is not None]

    def close(self) -> None:
        """End the workers; whoever renders afterwards starts them again."""
        for _ in self._all:
            with self._worker() as worker:
                worker.kill()
        self._threads.shutdown(wait=False)

    @contextlib.contextmanager
    def _worker(self) -> Iterator[RenderProcess]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def _group(self, frame: _Frame, group: list[str]) -> list[Any]:
        """The worker's answers to a group; a dead group is repeated singly, so one alone fails."""
        with self._worker() as worker:
            if len(group) > 1:
                with contextlib.suppress(WorkerDiedError):
                    return worker.ask(_request(frame, group), GROUP_WALL_SECONDS)
                try:
                    worker.ask(frame.compiling, WALL_SECONDS)
                except WorkerDiedError as death:
                    return [_dead(death)] * len(group)
            return [self._single(worker, frame, item) for item in group]

    @staticmethod
    def _single(worker: RenderProcess, frame: _Frame, item: str) -> Any:
        try:
            return worker.ask(_request(frame, [item]), WALL_SECONDS)[0]
        except WorkerDiedError as death:
            return _dead(death)


def _dead(death: WorkerDiedError) -> dict[str, Any]:
    return {"kind": "limit", "text": str(death)}


def _frame(messages: Sequence[MessageTemplate], threads: frozenset[str]) -> _Frame:
    sources = json.dumps([m.content for m in messages])
    names = json.dumps(sorted(threads))
    return _Frame(
        f'{{"op":"render","sources":{sources},"threads":{names},"inputs":['.encode("ascii"),
        f'{{"op":"variables","sources":{sources}}}'.encode("ascii"),
    )


def _request(frame: _Frame, group: list[str]) -> bytes:
    return frame.start + ",".join(group).encode("ascii") + b"]}"


def _encode(values: Mapping[str, Any], threads: frozenset[str]) -> _Encoded:
    plain = check_plain(values)
    if threads:
        check_threads(plain, threads)
    return _Encoded(plain, json.dumps(plain))


def _groups(encoded: list[_Encoded]) -> Iterator[list[_Encoded]]:
    group: list[_Encoded] = []
    size = 0
    for item in encoded:
        if len(item.json) > REQUEST_BYTES:
            raise Invalid("The inputs of one rendering exceed 32 MiB. Shorten them.")
        if group and (len(group) == GROUP or size + len(item.json) > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(item)
        size += len(item.json)
    if group:
        yield group


def _result(
    messages: Sequence[MessageTemplate], inputs: PlainInputs, answer: Any
) -> RenderedPrompt | TemplateProblem:
    if isinstance(answer, dict):
        return _problem(answer)
    made: list[Message] = []
    for template, rendered in zip(messages, answer, strict=True):
        if isinstance(rendered, str):
            made.append({"role": template.role, "content": rendered})
        else:
            made.extend(_spliced(template, rendered, inputs))
    return RenderedPrompt(made)


def _spliced(
    template: MessageTemplate, pieces: list[Any], inputs: PlainInputs
) -> Iterator[Message]:
    """A message cut at its threads; blank pieces around a thread are no messages."""
    if len(pieces) == 1:
        yield {"role": template.role, "content": pieces[0]}
        return
    for piece in pieces:
        if isinstance(piece, dict):
            for message in inputs[piece["thread"]]:
                yield {"role": message["role"], "content": message["content"]}
        elif piece.strip():
            yield {"role": template.role, "content": piece.strip("\n")}


def check_variables(report: VariableReport, content: PromptContent) -> VariableCheck:
    """Which variables are used, declared but unused, and used but not declared."""
    declared = [variable.name for variable in content.inputs]
    return VariableCheck(
        used=tuple(name for name in report.used if name in declared),
        unused=tuple(name for name in declared if name not in report.used),
        missing=tuple(n for n in report.used if n not in declared and n not in report.optional),
    )


_lock = threading.Lock()
_shared: dict[int, Renderer] = {}


def renderer() -> Renderer:
    """This process's renderer; its workers start with the first request."""
    with _lock:
        found = _shared.get(os.getpid())
        if found is None:
            _shared.clear()  # a forked child must not speak into its parent's pipes
            found = _shared[os.getpid()] = Renderer()
            atexit.register(found.close)
        return found
