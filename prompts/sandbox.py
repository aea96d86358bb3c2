"""The one Jinja2 environment, and templates compiled in it; imported by `render_worker` alone.

This module needs jinja2 and the standard library only. Templates see their variables, `range` (at
most 100,000 numbers), `dict` and `namespace`; no loader but of the texts that a version has pinned,
no extension, no filter that calls or imports what it is given. Chat templates of models have an
environment like it with the spacing, the loose undefined values and the few names that their
authors write for.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import jinja2.debug  # noqa: F401 - imported late by jinja2, when files can no longer be opened
from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.ext import LoopControlExtension as LoopControls
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Namespace

from prompts.faceless import LAZY_FILTERS, FacelessError, Function, Lazy, faceless, lazy
from prompts.pinned import PINNED

CACHED_TEMPLATES = 256
CACHED_CHARACTERS = 4 * 1024 * 1024
MESSAGE_CHARACTERS = 400
FORBIDDEN = {
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
}
PRINTABLE = (str, int, float, list, tuple, dict, type(None), Undefined)
Json = dict[str, Any]


class ProblemError(Exception):
    """Why one template or one rendering failed, in the parts the parent makes a sentence of."""

    def __init__(
        self, kind: str, text: str, line: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(text)
        self.message: int | None = None
        self.parts: Json = {"kind": kind, "text": text, "line": line, "name": name}
        self.parts |= {"snippet": None, "snippet_line": None}

    def as_json(self) -> Json:
        return {**self.parts, "message": self.message}


def printable(value: Any) -> Any:
    """Refuse what would print as an address or an object, and say what was probably meant."""
    if isinstance(value, PRINTABLE):
        return value
    if isinstance(value, (Function, Lazy)):
        return str(value)
    kind = type(value).__name__
    advice = "; add |list or |join" if isinstance(value, Iterable) else ""
    raise ProblemError("runtime", f"a value of type {kind} cannot be printed{advice}")


def to_json(value: Any, indent: int | None = None) -> str:
    """`tojson` without Jinja's HTML escapes: a prompt is read by a model, not by a browser."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


class StableEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which the same values give the same text in every process."""

    intercepted_binops = frozenset({"-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return faceless(attribute, super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        return faceless(str(argument), super().getitem(obj, argument))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`d.keys() - e` is a set, whose order differs between processes; it stays in order."""
        made = super().call_binop(context, operator, left, right)
        return [item for item in left if item in made] if isinstance(made, set) else made

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Template:
        """What an include names: a text that the version has pinned, and nothing else."""
        target = PINNED.target(str(name), parent)
        if target is None:
            raise ProblemError("unpinned", f"the include {str(name)[:200]!r} has no text")
        return TEMPLATES.get(PINNED.texts[target], target)


def raise_exception(text: object) -> None:
    """What a chat template calls for a conversation that its model cannot hold."""
    raise ProblemError("runtime", str(text)[:MESSAGE_CHARACTERS])


def environment() -> Environment:
    env = StableEnvironment(
        undefined=StrictUndefined,
        loader=None,
        extensions=(),
        finalize=printable,
        keep_trailing_newline=True,
        cache_size=0,
    )
    env.globals.clear()
    env.globals.update(range=Function("range", safe_range), dict=dict, namespace=Namespace)
    env.filters |= {name: lazy(name, env.filters[name]) for name in LAZY_FILTERS}
    env.filters.pop("random")  # the same inputs must give the same request
    env.filters["tojson"] = to_json
    return env


def chat_environment() -> Environment:
    """As model libraries render: https://huggingface.co/docs/transformers/chat_templating."""
    env = environment()
    env.undefined, env.trim_blocks, env.lstrip_blocks = Undefined, True, True
    env.add_extension(LoopControls)
    env.globals["raise_exception"] = Function("raise_exception", raise_exception)
    return env


ENV, CHAT = environment(), chat_environment()


def parsed(source: str, env: Environment = ENV) -> nodes.Template:
    tree = env.parse(source)
    for kind, word in FORBIDDEN.items():
        found = tree.find(kind)
        if found is not None:
            text = f"`{word}` is not available in a prompt; put the text into the template itself"
            raise ProblemError("refused", text, found.lineno)
    for found in tree.find_all(nodes.Include):
        if env is not ENV or written(found) is None:
            text = 'an include names its snippet in quotes, such as {% include "name@2" %}'
            raise ProblemError("refused", text, found.lineno)
    return tree


def written(include: nodes.Include) -> str | None:
    """What stands in the quotes; None where the name is not there to be read."""
    value = include.template.value if isinstance(include.template, nodes.Const) else None
    return value if isinstance(value, str) else None


class Templates:
    """Compiled templates by source, the least recently used ones dropped first."""

    def __init__(self, env: Environment = ENV) -> None:
        self._env = env
        self._kept: OrderedDict[tuple[str | None, str], Template] = OrderedDict()
        self._characters = 0

    def get(self, source: str, name: str | None = None) -> Template:
        """The template; a snippet has a `name`, by which its own includes are looked up."""
        key = (name, source)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._compiled(source, name)
            self._characters += len(source)
            while len(self._kept) > CACHED_TEMPLATES or self._characters > CACHED_CHARACTERS:
                self._characters -= len(self._kept.popitem(last=False)[0][1])
        else:
            self._kept.move_to_end(key)
        return found

    def clear(self) -> None:
        self._kept.clear()
        self._characters = 0

    def _compiled(self, source: str, name: str | None) -> Template:
        code = self._env.compile(parsed(source, self._env), name=name)
        return Template.from_code(self._env, code, self._env.globals)


TEMPLATES, CHATS = Templates(), Templates(CHAT)


def problem_of(error: Exception, index: int | None = None) -> ProblemError:
    """Anything a template can raise, as a ProblemError of message `index`."""
    if isinstance(error, FacelessError):
        problem = ProblemError("runtime", str(error))
    elif isinstance(error, ProblemError):
        problem = error
    elif isinstance(error, TemplateSyntaxError):
        problem = ProblemError("syntax", error.message or "syntax error", error.lineno)
    elif isinstance(error, MemoryError):
        TEMPLATES.clear()
        CHATS.clear()
        problem = ProblemError("limit", "it needs more than 512 MB of memory")
    elif isinstance(error, RecursionError):
        problem = ProblemError("limit", "it is nested too deeply")
    elif isinstance(error, UndefinedError):
        problem = undefined(error)
    elif isinstance(error, SecurityError):
        problem = ProblemError("refused", cut(error))
    else:
        problem = ProblemError("runtime", f"{type(error).__name__}: {cut(error)}")
    problem.message = index if problem.message is None else problem.message
    return placed(problem, error)


def undefined(error: UndefinedError) -> ProblemError:
    found = re.fullmatch(r"'(\w+)' is undefined", str(error))
    return ProblemError("missing" if found else "runtime", cut(error), None, found and found[1])


def cut(error: BaseException) -> str:
    return str(error)[:MESSAGE_CHARACTERS]


def placed(problem: ProblemError, error: BaseException) -> ProblemError:
    """With the lines in which `error` was raised: the message's, and the snippet's within it.

    The compiled code's traceback has them; a limit is of the whole.
    """
    parts, step = problem.parts, error.__traceback__
    line = None
    while step is not None and parts["kind"] != "limit":
        template = step.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            at = template.get_corresponding_lineno(step.tb_lineno)
            if template.name is None:
                line, parts["snippet"], parts["snippet_line"] = at, None, None
            else:
                parts["snippet"], parts["snippet_line"] = template.name, at
        step = step.tb_next
    parts["line"] = parts["line"] or line
    return problem
