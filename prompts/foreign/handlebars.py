"""Handlebars templates, as dotprompt has them, as Jinja2: the exact is translated, else refused.

https://google.github.io/dotprompt/reference/template/ . A block of `{{#if}}` is true there as in
JavaScript; here an empty list or map is false, too.
"""

import re
from typing import NamedTuple

from core.errors import Invalid

_TAG = re.compile(
    r"\\\{\{.*?\}\}|\{\{~?!--.*?--~?\}\}|\{\{~?!.*?\}\}|\{\{\{.*?\}\}\}|\{\{.*?\}\}", re.DOTALL
)
_PATH = re.compile(r"(?:this|@?[^\W\d]\w*)(?:[./](?:\w+))*")
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
_TOKEN = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s=]+=(?:\"[^\"]*\"|'[^']*'|\S+)|\S+")
_JINJA = re.compile(r"\{%|\{#")
_LITERALS = {"true": "true", "false": "false", "null": "none", "undefined": "none"}
_LOOP = {"@index": "loop.index0", "@first": "loop.first", "@last": "loop.last"}


class Marker(NamedTuple):
    """What dotprompt cuts messages by: `role`, `history`."""

    kind: str
    value: str = ""


class _Block(NamedTuple):
    kind: str
    item: str | None = None
    key: str | None = None
    close: str = ""


class Translation(NamedTuple):
    """Pieces of Jinja2 and the markers between them."""

    pieces: list[str | Marker]


def translate(source: str) -> Translation:
    """A template's pieces; raises Invalid naming the line of what has no equal."""
    reader = _Reader()
    at = 0
    for found in _TAG.finditer(source):
        reader.text(source[at : found.start()])
        at = found.end()
        try:
            reader.tag(found[0])
        except Invalid as error:
            line = source.count("\n", 0, found.start()) + 1
            raise Invalid(f"Line {line}: {error.message}") from None
    reader.text(source[at:])
    if reader.open:
        raise Invalid(f"The block {{{{#{reader.open[-1].kind}}}}} is never closed. Close it.")
    return Translation(reader.pieces)


class _Reader:
    def __init__(self) -> None:
        self.pieces: list[str | Marker] = []
        self.open: list[_Block] = []

    def text(self, text: str) -> None:
        if text:
            self.pieces.append(_JINJA.sub(lambda one: f"{{{{ '{one[0]}' }}}}", text))

    def tag(self, tag: str) -> None:
        if tag.startswith("\\"):
            self.pieces.append("{{ '{{' }}" + tag[3:])
            return
        raw = tag.strip("{}")
        left, right = ("-" if raw.startswith("~") else ""), ("-" if raw.endswith("~") else "")
        inner = raw.strip("~").strip()
        if inner.startswith("!"):
            return
        made = self._made(inner)
        if isinstance(made, str):
            opening, body, closing = made[:2], made[2:-2], made[-2:]
            self.pieces.append(f"{opening}{left}{body}{right}{closing}")
        elif made is not None:
            self.pieces.append(made)

    def _made(self, inner: str) -> str | Marker | None:
        if inner.startswith("#"):
            return self._open(inner[1:])
        if inner.startswith("/"):
            return self._close(inner[1:].strip())
        if inner == "else" or inner == "^":
            return "{% else %}"
        if inner.startswith("else if "):
            return f"{{% elif {self._truth(inner[8:].strip())} %}}"
        if inner.startswith((">", "&", "*")):
            raise Invalid("partials have no equal here. Write their text into the template.")
        return self._helper(_TOKEN.findall(inner), inner)

    def _helper(self, tokens: list[str], inner: str) -> str | Marker:
        if not tokens:
            raise Invalid("an empty tag. Remove it.")
        name, rest = tokens[0], tokens[1:]
        if name == "role" and len(rest) == 1 and _STRING.fullmatch(rest[0]):
            return Marker("role", rest[0][1:-1])
        if name == "history" and not rest:
            return Marker("history")
        if name == "json" and rest:
            indent = next((one[7:] for one in rest[1:] if one.startswith("indent=")), "")
            if indent and not indent.isdigit():
                raise Invalid("its indent is no number. Correct it.")
            return f"{{{{ {self._value(rest[0])} | tojson{f'({indent})' if indent else ''} }}}}"
        if name in ("media", "section"):
            raise Invalid(f"`{name}` has no equal here: prompts hold texts alone. Remove it.")
        if rest:
            raise Invalid(f"the helper {name[:40]!r} is not known here. Rewrite it.")
        return f"{{{{ {self._value(inner)} }}}}"

    def _open(self, inner: str) -> str:
        tokens = _TOKEN.findall(inner)
        kind, rest = (tokens[0] if tokens else ""), tokens[1:]
        if kind in ("if", "unless") and len(rest) == 1:
            self.open.append(_Block(kind, close="{% endif %}"))
            holds = self._truth(rest[0])
            return f"{{% if {holds if kind == 'if' else f'not ({holds})'} %}}"
        if kind in ("ifEquals", "unlessEquals") and len(rest) == 2:
            self.open.append(_Block(kind, close="{% endif %}"))
            sign = "==" if kind == "ifEquals" else "!="
            return f"{{% if {self._value(rest[0])} {sign} {self._value(rest[1])} %}}"
        if kind == "each" and rest:
            return self._each(rest)
        raise Invalid(f"the block {{{{#{kind[:40]}}}}} has no equal here. Rewrite it.")

    def _each(self, rest: list[str]) -> str:
        """Over a list; over a map Handlebars goes by values, Jinja2 by keys, so that is refused."""
        over = self._value(rest[0])
        names = [one.strip("|") for one in rest[2:]] if rest[1:2] == ["as"] else []
        if (rest[1:] and not names) or len(names) > 1:
            raise Invalid("this `each` has no equal here. Write {{#each list}}.")
        depth = sum(one.kind == "each" for one in self.open)
        item = names[0] if names else f"item{depth + 1 if depth else ''}"
        self.open.append(_Block("each", item, close="{% endfor %}"))
        return f"{{% for {item} in {over} %}}"

    def _close(self, kind: str) -> str:
        if not self.open or self.open[-1].kind != kind:
            raise Invalid(f"{{{{/{kind[:40]}}}}} closes no block. Correct it.")
        return self.open.pop().close

    def _value(self, token: str) -> str:
        if token in _LITERALS:
            return _LITERALS[token]
        if _STRING.fullmatch(token) or re.fullmatch(r"-?\d+(\.\d+)?", token):
            return token
        if token.startswith("../"):
            return self._outer(token)
        if token in _LOOP:
            return _LOOP[token]
        if token.startswith("@") or not _PATH.fullmatch(token):
            raise Invalid(f"{token[:40]!r} cannot be read here. Make it a variable.")
        return self._path(token.replace("/", "."), self._item())

    def _truth(self, token: str) -> str:
        """What is absent is false there, and an error here unless it is asked for."""
        value = self._value(token)
        plain = token in _LITERALS or value[:1] in "\"'-0123456789" or value.startswith("loop.")
        return value if plain else f"{value} is defined and {value}"

    def _item(self) -> str | None:
        return next((one.item for one in reversed(self.open) if one.kind == "each"), None)

    def _outer(self, token: str) -> str:
        """`../name` within one `each` is a variable of the prompt."""
        loops = [one for one in self.open if one.kind == "each"]
        ups = token.count("../")
        name = token[3 * ups :]
        if ups != len(loops) or not _PATH.fullmatch(name) or name.startswith(("this", "@")):
            raise Invalid(f"{token[:40]!r} leads out of more than its loop. Rewrite it.")
        return name.replace("/", ".")

    def _path(self, path: str, item: str | None) -> str:
        """Within a loop a bare name is a property of the item, `this` the item itself."""
        if path == "this":
            if item is None:
                raise Invalid("`this` stands outside of a loop. Name the variable.")
            return item
        bare = path.removeprefix("this.")
        if item is None or path == item or path.startswith(f"{item}."):
            return bare
        return f"{item}.{bare}"
