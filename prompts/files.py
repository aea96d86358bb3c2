"""Prompt files: `.prompty` (Prompty 2, and the older forms) in and out, others in."""

from pathlib import PurePath
from typing import Any, cast

from pydantic import ValidationError

from connectors.parameters import RESERVED
from core.errors import Invalid, TooLarge
from core.names import check_name, slug
from prompts import front_matter, schema
from prompts.body import read_body, write_body
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.foreign.dotprompt import parse_dotprompt
from prompts.parsed import ParsedPrompt as ParsedPrompt
from prompts.pins import read_pins, write_pins

PLAIN_SUFFIXES = (".txt", ".md", ".jinja", ".jinja2", ".j2")
Json = dict[str, Any]
_OPTIONS = {
    "temperature": "temperature",
    "maxOutputTokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "seed": "seed",
    "stopSequences": "stop",
    "allowMultipleToolCalls": "parallel_tool_calls",
}
_WIRE = {wire: name for name, wire in _OPTIONS.items()}
_KNOWN = {
    "name", "displayName", "description", "tags", "metadata", "model", "inputs", "inputSchema",
    "sample", "outputs", "outputSchema", "tools", "template", "$schema", "includes",
    "mocks", "based_on",
}  # fmt: skip
_NOT_OURS = ("connection", "configuration", "provider")


def parse_prompt_file(name: str, data: bytes) -> ParsedPrompt:
    """Read a file called `name`: `.prompty`, dotprompt, or a plain text as one user message.

    Raises Invalid or TooLarge with the reason and, where there is one, the line.
    """
    path = PurePath(name)
    try:
        return _parse(path, front_matter.decode(data))
    except ValidationError as error:
        raise Invalid(f"{path.name}: {_sentence(error)}") from None
    except (Invalid, TooLarge) as error:
        raise type(error)(f"{path.name}: {error.message}", param=error.param) from None


def _parse(path: PurePath, text: str) -> ParsedPrompt:
    if not text.strip():
        raise Invalid("the file is empty. Write the prompt into it.")
    suffix = path.suffix.lower()
    if suffix in PLAIN_SUFFIXES:
        message = MessageTemplate(role="user", content=text.strip("\n"))
        return ParsedPrompt(slug(path.stem), None, "", (), PromptContent(messages=(message,)), ())
    if suffix == ".prompt":
        return parse_dotprompt(path.stem, text)
    if suffix != ".prompty":
        known = ", ".join((".prompt", *PLAIN_SUFFIXES))
        raise Invalid(f"it is no prompt file. Name it .prompty, or {known}.")
    return _parse_prompty(path.stem, text)


def _sentence(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, found["loc"]))
    cause = found["msg"].removeprefix("Value error, ")
    return f"{where + ': ' if where else ''}{cause}. Correct it in the file."


def _parse_prompty(stem: str, text: str) -> ParsedPrompt:
    settings, body, _ = front_matter.split(text)
    notices: list[str] = []
    model = _model(settings, notices)
    tools = schema.tools(settings.pop("tools", None) or [])
    front_matter.refuse_references({**settings, "model": model, "tools": tools.tools}, "")
    _check_template(settings.get("template"), notices)
    messages = read_body(body)
    name, title = _names(settings, stem)
    tags = _tags(settings, notices)
    unknown = sorted(settings.keys() - _KNOWN)
    if unknown:
        notices.append(f"Left out, because it is not used here: {', '.join(unknown)}.")
    content = PromptContent(
        messages=tuple(messages.messages),
        model=_model_id(model),
        options=_options(model, notices),
        inputs=tuple(_inputs(settings)),
        outputs=schema.json_schema(schema.first(settings, "outputs", "outputSchema"), "outputs"),
        tools=tuple(tools.tools),
        mocks=cast(Any, settings.get("mocks") or ()),
    )
    description = str(settings.get("description") or "")
    notices += [*tools.notices, *messages.notices]
    pins = read_pins(settings.get("includes"))
    based_on = _based_on(settings.get("based_on"))
    return ParsedPrompt(name, title, description, tags, content, tuple(notices), pins, based_on)


def _based_on(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise Invalid("`based_on` is no number of a version. Write it as `based_on: 3`.")


def _names(settings: Json, stem: str) -> tuple[str, str | None]:
    """The legal name and, where it had to be made, or is given, the title."""
    given = str(settings.get("name") or stem)
    title = settings.get("displayName")
    try:
        return check_name(given), str(title) if title else None
    except Invalid:
        return slug(given), str(title or given)


def _model(settings: Json, notices: list[str]) -> Json:
    """The model's settings without what tells where it is and how to sign in there."""
    value = settings.get("model")
    if value is None or isinstance(value, str):
        return {"id": value} if value else {}
    if not isinstance(value, dict):
        raise Invalid("`model` is neither a name nor a map. Write `model: NAME`.", param="model")
    model = dict(cast(Json, value))
    _keep_deployment(model)
    left_out = [f"model.{key}" for key in _NOT_OURS if model.pop(key, None) is not None]
    if left_out:
        notices.append(
            f"{', '.join(left_out)} left out: addresses and keys belong to a model, "
            "see `promptstone model add`."
        )
    api = schema.first(model, "apiType", "api")
    if api not in (None, "chat", "responses"):
        notices.append(f"model.apiType {api!r} is left out: prompts are sent as chat.")
    settings["model"] = None
    return model


def _keep_deployment(model: Json) -> None:
    """Prompty 1 names the model inside its configuration."""
    configuration = model.get("configuration")
    if isinstance(configuration, dict) and not model.get("id"):
        found = schema.first(cast(Json, configuration), "model", "name", "azure_deployment")
        if isinstance(found, str) and not found.startswith(("${", "<")):
            model["id"] = found


def _model_id(model: Json) -> str | None:
    found = schema.first(model, "id", "name")
    return str(found) if found else None


def _options(model: Json, notices: list[str]) -> Json:
    given = schema.first(model, "options", "parameters") or {}
    if not isinstance(given, dict):
        raise Invalid("`model.options` is no map. Write lines such as `temperature: 0.2`.")
    options = dict(cast(Json, given))
    more = options.pop("additionalProperties", None) or {}
    options = {_OPTIONS.get(key, key): value for key, value in options.items()}
    options.update(cast(Json, more) if isinstance(more, dict) else {})
    taken = sorted(options.keys() & RESERVED)
    if taken:
        notices.append(f"The options {', '.join(taken)} are left out: they are set for each call.")
    return {k: v for k, v in options.items() if k not in RESERVED and v is not None}


def _inputs(settings: Json) -> list[Variable]:
    """Declared inputs, and those that only Prompty 1's `sample` names."""
    declared = schema.first(settings, "inputs", "inputSchema") or []
    found = schema.properties(declared, "inputs")
    sample = settings.get("sample") or {}
    if not isinstance(sample, dict):
        raise Invalid("`sample` is no map of inputs. Write the sample values into the file.")
    known = {item["name"] for item in found}
    sample = cast(Json, sample)
    found = [{"sample": sample.get(item["name"]), **item} for item in found]
    found += [{"name": k, "example": v} for k, v in sample.items() if k not in known]
    return [schema.variable(item) for item in found]


def _tags(settings: Json, notices: list[str]) -> tuple[str, ...]:
    metadata = settings.get("metadata") or {}
    extra = dict(cast(Json, metadata)) if isinstance(metadata, dict) else {}
    tags = settings.get("tags") or extra.pop("tags", None) or []
    if extra:
        notices.append(f"metadata left out: {', '.join(sorted(extra))}.")
    return tuple(map(str, cast(list[Any], tags) if isinstance(tags, list) else [tags]))


def _check_template(template: Any, notices: list[str]) -> None:
    """Only Jinja2 is rendered; Nunjucks is close enough to be read as it."""
    parts = cast(Json, template) if isinstance(template, dict) else {"format": template}
    kinds = {
        part: value.get("kind") if isinstance(value, dict) else value
        for part, value in parts.items()
    }
    engine, parser = kinds.get("format") or kinds.get("type"), kinds.get("parser")
    if engine == "nunjucks":
        notices.append("The template engine nunjucks is read as Jinja2.")
    elif engine not in (None, "jinja2"):
        raise Invalid(f"The template engine {engine!r} is not known. Rewrite it in Jinja2.")
    if parser not in (None, "prompty"):
        raise Invalid(f"The parser {parser!r} is not known. Use role lines such as `user:`.")


def write_prompty(
    name: str,
    content: PromptContent,
    *,
    title: str | None = None,
    description: str = "",
    tags: tuple[str, ...] = (),
    based_on: int | None = None,
) -> str:
    """The `.prompty` text that `parse_prompt_file` reads back as the same prompt.

    Its body keeps the includes as they are written; `includes` says what they are pinned to.
    `based_on` is for a changed content: a push refuses it once a newer version stands.
    """
    options = {_WIRE[key]: value for key, value in content.options.items() if key in _WIRE}
    rest = {key: value for key, value in content.options.items() if key not in _WIRE}
    if rest:
        options["additionalProperties"] = rest
    model = {"id": content.model, "options": options}
    settings: Json = {
        "name": name,
        "based_on": based_on,
        "displayName": title,
        "description": description,
        "metadata": {"tags": list(tags)} if tags else None,
        "model": {key: value for key, value in model.items() if value},
        "inputs": [schema.write_variable(item) for item in content.inputs],
        "outputs": content.outputs,
        "tools": [schema.write_tool(tool) for tool in content.tools],
        "mocks": [one.model_dump(mode="json", exclude_none=True) for one in content.mocks],
        "includes": write_pins(content.includes),
        "template": {"format": {"kind": "jinja2"}, "parser": {"kind": "prompty"}},
    }
    kept = {key: value for key, value in settings.items() if value}
    return front_matter.dump(kept) + write_body(content.messages)
