"""Texts with their snippets put in, for programs that know no includes; part of the child."""

import ast
from typing import Any

from jinja2 import nodes

from prompts.filling import check_size
from prompts.pinned import PINNED
from prompts.sandbox import ENV, ProblemError, parsed, problem_of

Token = tuple[int, str, str]


def inline(sources: list[str]) -> Any:
    """The sources without includes, or `{"problem": …}`."""
    made: list[str] = []
    for index, source in enumerate(sources):
        try:
            made.append(inlined(source))
            check_size(made)
        except Exception as error:
            return {"problem": problem_of(error, index).as_json()}
    return made


def inlined(source: str, name: str | None = None) -> str:
    """`source` by the tokens of Jinja's lexer, which give it back but for what `-` cuts."""
    if parsed(source).find(nodes.Include) is None:
        return source
    parts: list[str] = []
    tag: list[Token] = []
    for token in ENV.lex(source):
        if token[1] == "block_begin" or tag:
            tag.append(token)
            if token[1] == "block_end":
                parts.append(_tag(tag, name))
                tag = []
        else:
            parts.append(token[2])
    return "".join(parts)


def _tag(tag: list[Token], name: str | None) -> str:
    words = [token for token in tag[1:] if token[1] != "whitespace"]
    if (words[0][1], words[0][2]) != ("name", "include"):
        return "".join(token[2] for token in tag)
    text = str(ast.literal_eval(words[1][2]))
    target = PINNED.target(text, name)
    if target is None:
        raise ProblemError("unpinned", f"the include {text[:200]!r} has no text", tag[0][0])
    made = inlined(PINNED.texts[target], target)
    return _scoped(made) if any(map(parsed(made).find, (nodes.Assign, nodes.AssignBlock))) else made


def _scoped(text: str) -> str:
    """What an included text sets is not seen behind it."""
    return "{% with %}" + text + "{% endwith %}"
