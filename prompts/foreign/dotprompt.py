"""Dotprompt files (`.prompt`, Google's Genkit): YAML front matter and a Handlebars template.

https://google.github.io/dotprompt/reference/
"""

import re
from typing import Any, cast

from core.errors import Invalid
from core.names import check_name, slug
from prompts import front_matter
from prompts.content import MessageTemplate, PromptContent, Role, Variable
from prompts.foreign import options, plain_yaml
from prompts.foreign.handlebars import Marker, translate
from prompts.foreign.picoschema import properties_of, to_schema
from prompts.parsed import ParsedPrompt

Json = dict[str, Any]
_SPLIT = re.compile(r"\A\s*---[ \t]*\n(?P<yaml>.*?)^---[ \t]*$\n?(?P<body>.*)\Z", re.S | re.M)
_READ = {"name", "variant", "model", "config", "input", "output", "tools", "description"}
_ROLES: dict[str, Role] = {
    "user": "user", "system": "system", "model": "assistant", "assistant": "assistant",
}  # fmt: skip
_KINDS = {
    "string": "text", "number": "number", "integer": "number", "boolean": "boolean",
    "array": "list", "object": "json",
}  # fmt: skip
HISTORY = "history"


def parse_dotprompt(stem: str, text: str) -> ParsedPrompt:
    """Read the text of a file called `stem.prompt`; raises Invalid with the line or the key."""
    notices: list[str] = []
    found = _SPLIT.match(text)
    settings = _settings(found["yaml"]) if found else {}
    body = found["body"] if found else text
    front_matter.refuse_references(settings, "")
    for key in sorted(settings.keys() - _READ):
        notices.append(f"`{key}` is left out: it has no place in a prompt here.")
    call = options.known(_config(settings))
    notices += [f"config.{key} is left out: {reason}" for key, reason in call.left.items()]
    if settings.get("tools"):
        names = ", ".join(map(str, cast(list[Any], settings["tools"])))[:200]
        notices.append(f"The tools {names} are left out: their definitions are not in the file.")
    messages, threads = _messages(body)
    name = str(settings.get("name") or stem)
    if settings.get("variant"):
        name = f"{name}.{settings['variant']}"
    content = PromptContent(
        messages=messages,
        model=_model(settings),
        options=call.options,
        inputs=_inputs(settings, threads),
        outputs=_outputs(settings, notices),
    )
    title = None
    try:
        check_name(name)
    except Invalid:
        name, title = slug(name), name
    description = str(settings.get("description") or "")
    return ParsedPrompt(name, title, description, (), content, tuple(notices))


def _settings(source: str) -> Json:
    value = plain_yaml.load(source, "the front matter")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid("The front matter is no map. Write lines such as `model: NAME`.")
    return cast(Json, value)


def _config(settings: Json) -> Json:
    config = settings.get("config")
    return cast(Json, config) if isinstance(config, dict) else {}


def _model(settings: Json) -> str | None:
    """Without the provider before the slash, as Genkit writes `googleai/gemini-flash`."""
    model = settings.get("model")
    return str(model).rsplit("/", 1)[-1] if model else None


def _messages(body: str) -> tuple[tuple[MessageTemplate, ...], list[str]]:
    role: Role = "user"
    made: list[MessageTemplate] = []
    threads: list[str] = []
    pieces: list[str] = []

    def close() -> None:
        text = "".join(pieces).strip("\n ") if pieces else ""
        if text:
            made.append(MessageTemplate(role=role, content=text))
        pieces.clear()

    for piece in translate(body).pieces:
        if not isinstance(piece, Marker):
            pieces.append(piece)
            continue
        close()
        if piece.kind == "history":
            made.append(MessageTemplate(role="user", content=f"{{{{ {HISTORY} }}}}"))
            threads.append(HISTORY)
            role = "user"
            continue
        if piece.value not in _ROLES:
            raise Invalid(f"The role {piece.value[:40]!r} is not known. Use user, system or model.")
        role = _ROLES[piece.value]
    close()
    return tuple(made), threads


def _inputs(settings: Json, threads: list[str]) -> tuple[Variable, ...]:
    given = settings.get("input")
    found = cast(Json, given) if isinstance(given, dict) else {}
    defaults = found.get("default")
    defaults = cast(Json, defaults) if isinstance(defaults, dict) else {}
    made = {
        name: Variable(
            name=name,
            kind=cast(Any, _KINDS.get(one.type, "json")),
            default=defaults.get(name),
            description=one.description,
            required=one.required,
        )
        for name, one in properties_of(found.get("schema")).items()
    }
    for name, value in defaults.items():
        made.setdefault(name, Variable(name=name, kind=cast(Any, _kind(value)), default=value))
    for name in threads:
        made[name] = Variable(name=name, kind="thread", required=False)
    return tuple(made.values())


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", list: "list", dict: "json"}
    return kinds.get(type(value), "text")


def _outputs(settings: Json, notices: list[str]) -> Json | None:
    given = settings.get("output")
    found = cast(Json, given) if isinstance(given, dict) else {}
    schema = found.get("schema")
    if schema is None:
        if found.get("format") not in (None, "text"):
            notices.append(f"output.format {found['format']!r} is left out: it has no schema.")
        return None
    made = to_schema(schema)
    if made is None:
        notices.append("output.schema is left out: it names a schema of a program.")
    return made
