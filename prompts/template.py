"""The one renderer: Jinja2 in confined child processes, so that no template can harm or hang us.

Preview, save, test, batch and endpoint all come here. Compiling, finding variables and rendering
run in `render_worker`; this side checks that values are plain and speaks to a small pool.
"""

import asyncio
import atexit
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from core.errors import Invalid
from prompts.content import Message, MessageTemplate, PromptContent
from prompts.include import Include
from prompts.outcome import (
    RenderedPrompt,
    TemplateError,
    TemplateProblem,
    VariableCheck,
    VariableReport,
    problem_of,
)
from prompts.plain import NotPlainError, PlainInputs, check_plain, check_threads
from prompts.render_pool import RenderPool

GROUP = 32
WORKERS = 2
GROUP_BYTES = 8 * 1024 * 1024
REQUEST_BYTES = 32 * 1024 * 1024


class _Task(NamedTuple):
    """One rendering to do: its place among the results, its inputs, and their JSON."""

    at: int
    inputs: PlainInputs
    json: str


class Renderer:
    """A pool of workers with a synchronous and an asynchronous face; safe to share by threads."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._pool = RenderPool(workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="render")

    def variables(
        self, messages: Sequence[MessageTemplate], includes: Sequence[Include] = ()
    ) -> VariableReport:
        """The variables that messages and pinned snippets read; raises TemplateError."""
        found = self._pool.report([m.content for m in messages], _snippets(includes))
        if "problem" in found:
            raise TemplateError(problem_of(found["problem"]))
        attributes = {name: tuple(keys) for name, keys in found.get("attributes", {}).items()}
        lists = ("used", "optional", "looped", "includes", "assigned")
        used, *rest = (tuple(found.get(name, ())) for name in lists)
        return VariableReport(used, attributes, *rest)

    def variables_of(self, content: PromptContent) -> VariableReport:
        """`variables` of a version's content."""
        return self.variables(content.messages, content.includes)

    def inlined(self, content: PromptContent) -> tuple[MessageTemplate, ...]:
        """The messages with their snippets put in, for programs that know no includes."""
        if not content.includes:
            return content.messages
        made = self._pool.inlined(
            [m.content for m in content.messages], _snippets(content.includes)
        )
        if isinstance(made, dict):
            raise TemplateError(problem_of(made["problem"]))
        return tuple(
            one.model_copy(update={"content": text})
            for one, text in zip(content.messages, made, strict=True)
        )

    def render(
        self,
        messages: Sequence[MessageTemplate],
        inputs: Mapping[str, Any],
        threads: frozenset[str] = frozenset(),
        includes: Sequence[Include] = (),
    ) -> RenderedPrompt:
        """The messages with `inputs` filled in; raises TemplateError, or TypeError for objects."""
        (result,) = self.render_many(messages, [inputs], threads, includes)
        if isinstance(result, TemplateProblem):
            raise TemplateError(result)
        return result

    def render_content(self, content: PromptContent, inputs: Mapping[str, Any]) -> RenderedPrompt:
        """`render` of a version's content, its inputs of kind thread inserted as messages."""
        return self.render(content.messages, inputs, content.threads, content.includes)

    def render_many(
        self,
        messages: Sequence[MessageTemplate],
        inputs: Sequence[Mapping[str, Any]],
        threads: frozenset[str] = frozenset(),
        includes: Sequence[Include] = (),
    ) -> list[RenderedPrompt | TemplateProblem]:
        """One result for each of `inputs`, in their order; a failure is a value at its place.

        `threads` names the inputs whose lists of `{role, content}` become messages where they
        stand alone on a line. Raises TypeError, before anything is rendered, if a value is not
        plain str, int, float, bool, None, list or dict.
        """
        made = [_task(at, values, threads) for at, values in enumerate(inputs)]
        results: list[RenderedPrompt | TemplateProblem | None] = [
            task if isinstance(task, TemplateProblem) else None for task in made
        ]
        sources, snippets = [m.content for m in messages], _snippets(includes)
        for group in _groups(task for task in made if isinstance(task, _Task)):
            encoded = [task.json for task in group]
            answers = self._pool.answers(sources, threads, encoded, snippets)
            for task, answer in zip(group, answers, strict=True):
                results[task.at] = _result(messages, task.inputs, answer)
        return [result for result in results if result is not None]

    async def arender_many(
        self,
        messages: Sequence[MessageTemplate],
        inputs: Sequence[Mapping[str, Any]],
        threads: frozenset[str] = frozenset(),
        includes: Sequence[Include] = (),
    ) -> list[RenderedPrompt | TemplateProblem]:
        """`render_many` beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self.render_many, messages, inputs, threads, includes
        )

    def chats(
        self, source: str, values: Sequence[Mapping[str, Any]]
    ) -> list[str | TemplateProblem]:
        """Conversations as a model's chat template writes them; see `prompts.chat_template`."""
        encoded = [json.dumps(check_plain(one)) for one in values]
        answers = self._pool.chats(source, encoded)
        return [one if isinstance(one, str) else problem_of(one) for one in answers]

    def launch(self) -> None:
        """Let a worker start meanwhile, for a caller who will render soon."""
        self._pool.launch()

    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return self._pool.pids()

    def close(self) -> None:
        """End the workers and threads."""
        self._threads.shutdown(wait=False)
        self._pool.close()


def _snippets(includes: Sequence[Include]) -> str:
    """What the child knows of snippets, as JSON; those without a version have no text yet."""
    known = [one for one in includes if one.version]
    pins: dict[str, dict[str, str]] = {}
    for one in known:
        pins.setdefault(one.within or "", {})[one.ref] = one.target
    return json.dumps({"pins": pins, "texts": {one.target: one.text for one in known}})


def _task(at: int, values: Mapping[str, Any], threads: frozenset[str]) -> _Task | TemplateProblem:
    try:
        plain = check_plain(values)
        if threads:
            check_threads(plain, threads)
        encoded = json.dumps(plain)
        if len(encoded) > REQUEST_BYTES:
            raise Invalid("The inputs of one rendering exceed 32 MiB. Shorten them.")
    except NotPlainError:
        raise
    except Invalid as error:
        return TemplateProblem("runtime", error.message, name=error.param)
    return _Task(at, plain, encoded)


def _groups(tasks: Iterator[_Task]) -> Iterator[list[_Task]]:
    group: list[_Task] = []
    size = 0
    for task in tasks:
        if group and (len(group) == GROUP or size + len(task.json) > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(task)
        size += len(task.json)
    if group:
        yield group


def _result(
    messages: Sequence[MessageTemplate], inputs: PlainInputs, answer: Any
) -> RenderedPrompt | TemplateProblem:
    if isinstance(answer, dict):
        return problem_of(answer)
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
