"""Filling templates with values, and threads of messages among them; part of the child."""

import os
import re
from typing import Any

from prompts.sandbox import CHATS, TEMPLATES, ProblemError, Templates, problem_of

RENDERED_BYTES = 8 * 1024 * 1024
Json = dict[str, Any]


class Thread(list[Any]):
    """A list of chat messages that prints as a mark, which no value can contain by chance."""

    mark = ""

    def __str__(self) -> str:
        return self.mark


Thread.__name__, Thread.__module__ = "list", "builtins"  # what error texts call it


def texts(sources: list[str], values: Json, templates: Templates = TEMPLATES) -> list[str]:
    made: list[str] = []
    for index, source in enumerate(sources):
        try:
            template = templates.get(source)
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


def chats(request: Json) -> list[Any]:
    """Conversations as one chat template writes them: a text for each, or its problem."""
    results: list[Any] = []
    for values in request["inputs"]:
        try:
            results.append(texts([request["source"]], values, CHATS)[0])
        except Exception as error:
            results.append(problem_of(error).as_json())
    return results
