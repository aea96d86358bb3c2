"""Finds, in the source of a chat template, what a template for chats never needs.

The engines that render it have sandboxes of their own; this is the fence before them, so it looks
only into the parts between braces and reads them as words.
"""

import re

_PARTS = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_NAMES = re.compile(r"__\w|\w__\b")
_SIGNS = (
    (re.compile(r"\[\s*['\"][^'\"\]]*__"), "names with two underscores"),
    (re.compile(r"\\x5f|\\137|\\u005f|\\N\{", re.IGNORECASE), "an underscore in disguise"),
    (re.compile(r"\|\s*(?:attr|map\s*\(\s*attribute\s*=\s*['\"]_)\b"), "the filter attr"),
    (re.compile(r"^[-+\s]*(?:include|import|from|extends)\b"), "another template"),
    (re.compile(r"\b(?:lipsum|cycler|joiner|self|url_for)\s*\."), "an object"),
    (re.compile(r"\b(?:mro|subclasses|globals|builtins|func_globals|gi_frame|f_back|popen|"
                r"getattr|eval|exec|open)\s*\("), "a function of Python"),
    (re.compile(r"['\"]_+['\"]\s*(?:~|\+|\*|\|)|(?:~|\+)\s*['\"]_+['\"]"), "a name in pieces"),
)  # fmt: skip


def escape_in(template: str) -> str | None:
    """What the template reaches for, in words; None when it looks like one for chats."""
    for found in _PARTS.finditer(template):
        inner = found[1] or found[2] or ""
        if _NAMES.search(_STRINGS.sub("''", inner)):
            return "names with two underscores"
        for sign, words in _SIGNS:
            if sign.search(inner):
                return words
    return None
