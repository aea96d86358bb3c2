"""Names that an editor of templates offers; nothing here reads or runs a template.

The lists repeat what `prompts.sandbox` allows, because that module belongs to the confined process.
"""

import re
from collections.abc import Iterable

FILTERS = (
    "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e",
    "escape", "filesizeformat", "first", "float", "forceescape", "format", "groupby", "indent",
    "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "pprint",
    "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice",
    "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique", "upper",
    "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
)  # fmt: skip
TAGS = (
    "if", "elif", "else", "endif", "for", "endfor", "set", "endset", "raw", "endraw", "filter",
    "endfilter", "with", "endwith", "macro", "endmacro", "call", "endcall", "include",
)  # fmt: skip
_MOST_CHARACTERS = 200_000
_TAG = re.compile(r"\{\{(?P<print>[^{}]{0,400}?)\}\}|\{%(?P<tag>[^{}]{0,400}?)%\}")
_STRING = re.compile(r"""'[^']*'|"[^"]*\"""")
_NAME = re.compile(r"(?<![\w.|])(?<!\|\s)[^\W\d]\w*\b(?!\s*=[^=])")
_SET = re.compile(r"^[-+]?\s*set\s+([^\W\d]\w*)")
_WORDS = frozenset(
    (
        *("and", "or", "not", "is", "in", "if", "else", "elif", "for", "recursive", "loop"),
        *("true", "false", "none", "True", "False", "None", "range", "dict", "namespace"),
        *("defined", "undefined", "ignore", "missing", "context", "without", *TAGS),
    )
)


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Names that closed tags mention, in order; a guess that needs no valid template."""
    found: dict[str, None] = {}
    for text in texts:
        for tag in _TAG.finditer(text[:_MOST_CHARACTERS]):
            inside = _STRING.sub("''", tag["print"] or tag["tag"] or "")
            names = _SET.findall(inside) + _NAME.findall(inside)
            found.update(dict.fromkeys(name for name in names if name not in _WORDS))
    return tuple(found)
