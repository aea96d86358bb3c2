"""Nunjucks templates as Jinja2: nearly the same language; the differences are named here.

Only tags are rewritten, texts within them kept. https://mozilla.github.io/nunjucks/templating.html
"""

import re

from core.errors import Invalid

_TAG = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL
)
_STRING = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_FOREIGN_TAG = re.compile(
    r"\{%-?\s*(asyncEach|asyncAll|ifAsync|extends|include|import|from|call|switch)\b"
)
_ENV = re.compile(r"(?<![\w.])(?:env|process)\s*[.\[]")
_REGEX = re.compile(r"(?<![\w)])r/")
_CHANGES = (
    (re.compile(r"!=="), "!="),
    (re.compile(r"==="), "=="),
    (re.compile(r"(\{%-?\s*)elseif\b"), r"\1elif"),
    (re.compile(r"\|\s*dump\b"), "| tojson"),
    (re.compile(r"(?<=[\w)\]])\.length\b"), " | length"),
    (re.compile(r"\bundefined\b"), "none"),
    (re.compile(r"\bnull\b"), "none"),
)


def to_jinja(source: str) -> str:
    """The template as Jinja2; raises Invalid for what has no equal here."""
    return _TAG.sub(lambda found: _tag(found[0]), source)


def _tag(tag: str) -> str:
    if tag.startswith("{#") or re.match(r"\{%-?\s*raw\b", tag):
        return tag
    found = _FOREIGN_TAG.match(tag)
    if found:
        raise Invalid(f"`{found[1]}` of Nunjucks has no equal here. Rewrite the template.")
    pieces: list[str] = []
    at = 0
    for text in _STRING.finditer(tag):
        pieces += [_code(tag[at : text.start()]), text[0]]
        at = text.end()
    return "".join([*pieces, _code(tag[at:])])


def _code(code: str) -> str:
    if _ENV.search(code):
        raise Invalid("It reads an environment variable, which no prompt may. Make it a variable.")
    if _REGEX.search(code):
        raise Invalid("It holds a regular expression of Nunjucks. Rewrite the template.")
    for pattern, replacement in _CHANGES:
        code = pattern.sub(replacement, code)
    return code
