"""Texts whose only syntax is `{{name}}`, as Langfuse and OpenAI fill them, as Jinja2 and back."""

import re

from prompts.fields import check_variable

_REFERENCE = re.compile(r"\{\{\s*([^{}\s%#]+)\s*\}\}")
_OPENING = re.compile(r"\{\{|\{%|\{#")
_ESCAPE = {"{{": "{{ '{{' }}", "{%": "{{ '{%' }}", "{#": "{{ '{#' }}"}
_ESCAPED = re.compile(r"\{\{ '(\{[{%#])' \}\}")


def to_jinja(text: str) -> str:
    """Variables stay; whatever else Jinja2 would read as its own is written as text."""
    pieces: list[str] = []
    at = 0
    for found in _REFERENCE.finditer(text):
        pieces.append(_literal(text[at : found.start()]))
        legal = _is_variable(found[1])
        pieces.append(f"{{{{ {found[1]} }}}}" if legal else _literal(found[0]))
        at = found.end()
    return "".join([*pieces, _literal(text[at:])])


def from_jinja(source: str) -> str | None:
    """The text that `to_jinja` reads back; None for a template that does more than fill in."""
    text = _ESCAPED.sub("", source)
    names = _REFERENCE.findall(text)
    if _OPENING.search(_REFERENCE.sub("", text)) or not all(map(_is_variable, names)):
        return None
    return _ESCAPED.sub(lambda found: found[1], source)


def variables(text: str) -> list[str]:
    """Names in order of their first appearance."""
    return list(dict.fromkeys(one for one in _REFERENCE.findall(text) if _is_variable(one)))


def _is_variable(name: str) -> bool:
    try:
        return check_variable(name) == name
    except ValueError:
        return False


def _literal(text: str) -> str:
    return _OPENING.sub(lambda found: _ESCAPE[found[0]], text)
