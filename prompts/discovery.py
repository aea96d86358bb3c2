"""Which variables templates read, and how; part of the rendering child."""

from collections.abc import Iterator
from typing import Any

from jinja2 import meta, nodes

from prompts.sandbox import ENV, TEMPLATES, parsed, problem_of

GUARDS = {"defined", "undefined", "default", "d"}
NAMES_OF_JINJA = frozenset(ENV.globals)
Json = dict[str, Any]


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
