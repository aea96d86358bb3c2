"""The child process of `prompts.template`: compiles and renders Jinja2 for requests on stdin.

Started as a file (`python -I -S -B render_worker.py JINJA2_FOLDER`), it imports jinja2 and the
standard library only, can open no file and start no process, and ends when stdin does. A message
on either pipe is four bytes of length (big endian) and that much JSON in ASCII.
"""

import json
import os
import re
import resource
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from importlib.machinery import BuiltinImporter, FrozenImporter
from typing import Any, BinaryIO

sys.path.append(sys.argv[1])
import jinja2.debug  # noqa: F401 - imported late by jinja2, when files can no longer be opened
from jinja2 import (
    Environment,
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    Undefined,
    meta,
    nodes,
)
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Namespace

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 2
RENDERED_BYTES = 8 * 1024 * 1024
CACHED_TEMPLATES = 256
CACHED_CHARACTERS = 4 * 1024 * 1024
MESSAGE_CHARACTERS = 400
FORBIDDEN = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
}
PRINTABLE = (str, int, float, list, tuple, dict, type(None), Undefined)
GUARDS = {"defined", "undefined", "default", "d"}
WARM_UP = (
    "{% for x in xs %}{{ '\\n' ~ x|upper }}{% endfor %}{% set \xe9 = 1 %}"
    "{{ xs|pprint|wordwrap(9)|striptags }}"
)
Json = dict[str, Any]


class ProblemError(Exception):
    """Why one template or one rendering failed, in the parts the parent makes a sentence of."""

    def __init__(
        self, kind: str, text: str, line: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(text)
        self.message: int | None = None
        self.parts: Json = {"kind": kind, "text": text, "line": line, "name": name}

    def as_json(self) -> Json:
        return {**self.parts, "message": self.message}


class Thread(list[Any]):
    """A list of chat messages that prints as a mark, which no value can contain by chance."""

    mark = ""

    def __str__(self) -> str:
        return self.mark


Thread.__name__, Thread.__module__ = "list", "builtins"  # what error texts call it


def printable(value: Any) -> Any:
    """Refuse what would print as an address or an object, and say what was probably meant."""
    if isinstance(value, PRINTABLE):
        return value
    if callable(value):
        raise ProblemError("runtime", "a function was printed without calling it; add ()")
    kind = type(value).__name__
    advice = "; add |list or |join" if isinstance(value, Iterable) else ""
    raise ProblemError("runtime", f"a value of type {kind} cannot be printed{advice}")


def to_json(value: Any, indent: int | None = None) -> str:
    """`tojson` without Jinja's HTML escapes: a prompt is read by a model, not by a browser."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def environment() -> Environment:
    env = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        loader=None,
        extensions=(),
        finalize=printable,
        keep_trailing_newline=True,
        cache_size=0,
    )
    env.globals.clear()
    env.globals.update(range=safe_range, dict=dict, namespace=Namespace)
    env.filters.pop("random")  # the same inputs must give the same request
    env.filters["tojson"] = to_json
    return env


ENV = environment()
NAMES_OF_JINJA = frozenset(ENV.globals)


def parsed(source: str) -> nodes.Template:
    tree = ENV.parse(source)
    for kind, word in FORBIDDEN.items():
        found = tree.find(kind)
        if found is not None:
            text = f"`{word}` is not available in a prompt; put the text into the template itself"
            raise ProblemError("refused", text, found.lineno)
    return tree


class Templates:
    """Compiled templates by source, the least recently used ones dropped first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Template] = OrderedDict()
        self._characters = 0

    def get(self, source: str) -> Template:
        found = self._kept.get(source)
        if found is None:
            found = self._compiled(source)
            self._kept[source] = found
            self._characters += len(source)
            while len(self._kept) > CACHED_TEMPLATES or self._characters > CACHED_CHARACTERS:
                self._characters -= len(self._kept.popitem(last=False)[0])
        else:
            self._kept.move_to_end(source)
        return found

    def clear(self) -> None:
        self._kept.clear()
        self._characters = 0

    @staticmethod
    def _compiled(source: str) -> Template:
        return Template.from_code(ENV, ENV.compile(parsed(source)), ENV.globals)


TEMPLATES = Templates()


def problem_of(error: Exception, index: int | None = None) -> ProblemError:
    """Anything a template can raise, as a ProblemError of message `index`."""
    if isinstance(error, ProblemError):
        problem = error
        problem.parts["line"] = problem.parts["line"] or line_of(error)
    elif isinstance(error, TemplateSyntaxError):
        problem = ProblemError("syntax", error.message or "syntax error", error.lineno)
    elif isinstance(error, MemoryError):
        TEMPLATES.clear()
        problem = ProblemError("limit", "it needs more than 512 MB of memory")
    elif isinstance(error, RecursionError):
        problem = ProblemError("limit", "it is nested too deeply")
    elif isinstance(error, UndefinedError):
        problem = undefined(error)
    elif isinstance(error, SecurityError):
        problem = ProblemError("refused", cut(error), line_of(error))
    else:
        problem = ProblemError("runtime", f"{type(error).__name__}: {cut(error)}", line_of(error))
    problem.message = index if problem.message is None else problem.message
    return problem


def undefined(error: UndefinedError) -> ProblemError:
    found = re.fullmatch(r"'(\w+)' is undefined", str(error))
    line = line_of(error)
    if found:
        return ProblemError("missing", cut(error), line, found[1])
    return ProblemError("runtime", cut(error), line)


def cut(error: BaseException) -> str:
    return str(error)[:MESSAGE_CHARACTERS]


def line_of(error: BaseException) -> int | None:
    """The template's line in which `error` was raised, from the compiled code's traceback."""
    line, step = None, error.__traceback__
    while step is not None:
        template = step.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            line = template.get_corresponding_lineno(step.tb_lineno)
        step = step.tb_next
    return line


def texts(sources: list[str], values: Json) -> list[str]:
    made: list[str] = []
    for index, source in enumerate(sources):
        try:
            template = TEMPLATES.get(source)
            made.append("".join(template.root_render_func(template.new_context(values))))
        except Exception as error:
            raise problem_of(error, index) from None
    check_size(made)
    return made


def check_size(made: list[str]) -> None:
    characters = sum(map(len, made))
    if characters * 4 > RENDERED_BYTES:
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in made)
        if size > RENDERED_BYTES:
            raise ProblemError("limit", f"the text is {size:,} bytes long, 8 MiB are allowed")


def with_threads(sources: list[str], values: Json, names: list[str]) -> list[list[Any]]:
    """Messages as pieces: a text, or `{"thread": NAME}` where a thread stood alone on a line."""
    base = int.from_bytes(os.urandom(16), "big")
    threads: dict[str, Thread] = {}
    for number, name in enumerate(names):
        threads[name] = Thread(values[name])
        threads[name].mark = f"\x02{base}.{number}\x03"
    made = texts(sources, {**values, **threads})
    marks = {thread.mark: name for name, thread in threads.items()}
    either = "|".join(map(re.escape, marks)) or r"(?!)"
    alone = re.compile(rf"^[ \t]*({either})[ \t]*$", re.MULTILINE)
    within = re.compile(either)

    def inline(text: str) -> str:
        return within.sub(lambda found: list.__repr__(threads[marks[found[0]]]), text)

    pieces = [alone.split(text) for text in made]
    named = [
        [{"thread": marks[piece]} if at % 2 else inline(piece) for at, piece in enumerate(row)]
        for row in pieces
    ]
    check_size([piece for row in named for piece in row if isinstance(piece, str)])
    return named


def render(request: Json) -> list[Any]:
    sources, threads = request["sources"], request["threads"]
    results: list[Any] = []
    for values in request["inputs"]:
        try:
            here = [name for name in threads if name in values]
            results.append(with_threads(sources, values, here) if here else texts(sources, values))
        except Exception as error:
            results.append(problem_of(error).as_json())
    return results


class Report:
    """The variables that sources read, in order, and how: attributes, guards, loops."""

    def __init__(self) -> None:
        self.used: dict[str, None] = {}
        self.attributes: dict[str, dict[str, None]] = {}
        self.optional: dict[str, None] = {}
        self.looped: dict[str, None] = {}

    def add(self, source: str) -> None:
        tree = parsed(source)
        free = meta.find_undeclared_variables(tree) - NAMES_OF_JINJA
        TEMPLATES.get(source)
        self.used.update((n.name, None) for n in tree.find_all(nodes.Name) if n.name in free)
        for name, attribute in attributes_of(tree):
            if name in free:
                self.attributes.setdefault(name, {})[attribute] = None
        self.optional.update((name, None) for name in guards_of(tree) if name in free)
        for loop in tree.find_all(nodes.For):
            if isinstance(loop.iter, nodes.Name) and loop.iter.name in free:
                self.looped[loop.iter.name] = None

    def as_json(self) -> Json:
        return {
            "used": list(self.used),
            "attributes": {name: list(found) for name, found in self.attributes.items()},
            "optional": list(self.optional),
            "looped": list(self.looped),
        }


def report(sources: list[str]) -> Json:
    made = Report()
    for index, source in enumerate(sources):
        try:
            made.add(source)
        except Exception as error:
            return {"problem": problem_of(error, index).as_json()}
    return made.as_json()


def attributes_of(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if isinstance(node.node, nodes.Name):
            if isinstance(node, nodes.Getattr):
                yield node.node.name, node.attr
            elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
                yield node.node.name, node.arg.value


def guards_of(tree: nodes.Template) -> Iterator[str]:
    """Names under `is defined`, `is undefined` or the `default` filter: they may be left out."""
    for node in tree.find_all((nodes.Test, nodes.Filter)):
        if isinstance(node.node, nodes.Name) and node.name in GUARDS:
            yield node.node.name


def answer(request: Json) -> Any:
    return render(request) if request["op"] == "render" else report(request["sources"])


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
