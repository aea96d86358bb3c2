"""Which variables templates read, and how; part of the rendering child."""

from collections.abc import Iterator
from typing import Any

from jinja2 import TemplateSyntaxError, meta, nodes

from prompts.pinned import PINNED
from prompts.sandbox import ENV, TEMPLATES, parsed, problem_of, written

GUARDS = {"defined", "undefined", "default", "d"}
NAMES_OF_JINJA = frozenset(ENV.globals)
Json = dict[str, Any]


def _no_bare_self(tree: nodes.Template) -> None:
    """`self` is the template itself: as a variable's name it would never get a value."""
    blocks = [one.node for kind in (nodes.Getattr, nodes.Getitem) for one in tree.find_all(kind)]
    for name in tree.find_all(nodes.Name):
        if name.name == "self" and name.ctx == "load" and not any(name is one for one in blocks):
            raise TemplateSyntaxError("self is a word of Jinja's own", name.lineno)


class Report:
    """The variables that sources read, in order, and how: attributes, guards, loops.

    An included text reads what its includer does not set before it.
    """

    def __init__(self) -> None:
        self.used: dict[str, None] = {}
        self.attributes: dict[str, dict[str, None]] = {}
        self.optional: dict[str, None] = {}
        self.looped: dict[str, None] = {}
        self.includes: dict[str, None] = {}
        self.assigned: dict[str, None] = {}
        self._seen: set[tuple[str, frozenset[str]]] = set()

    def add(
        self, source: str, name: str | None = None, hidden: frozenset[str] = frozenset()
    ) -> None:
        tree = parsed(source)
        _no_bare_self(tree)
        free = meta.find_undeclared_variables(tree) - NAMES_OF_JINJA - hidden
        TEMPLATES.get(source, name)
        self.used.update((n.name, None) for n in tree.find_all(nodes.Name) if n.name in free)
        for name, attribute in attributes_of(tree):
            if name in free:
                self.attributes.setdefault(name, {})[attribute] = None
        self.optional.update((name, None) for name in guards_of(tree) if name in free)
        for loop in tree.find_all(nodes.For):
            if isinstance(loop.iter, nodes.Name) and loop.iter.name in free:
                self.looped[loop.iter.name] = None
        named = [written(found) or "" for found in tree.find_all(nodes.Include)]
        if named:
            self._follow(tree, named, name, hidden)

    def _follow(
        self, tree: nodes.Template, named: list[str], name: str | None, hidden: frozenset[str]
    ) -> None:
        """Into the texts that are pinned; those that are not yet are only told of."""
        own = [n.name for n in tree.find_all(nodes.Name) if n.ctx in ("store", "param")]
        if name is None:
            self.includes.update(dict.fromkeys(named))
            self.assigned.update(dict.fromkeys(own))
        below = hidden.union(own)
        for one in named:
            target = PINNED.target(one, name)
            if target is not None and (target, below) not in self._seen:
                self._seen.add((target, below))
                self.add(PINNED.texts[target], target, below)

    def as_json(self) -> Json:
        return {
            "used": list(self.used),
            "attributes": {name: list(found) for name, found in self.attributes.items()},
            "optional": list(self.optional),
            "looped": list(self.looped),
            "includes": list(self.includes),
            "assigned": list(self.assigned),
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
