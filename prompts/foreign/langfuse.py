"""Prompts exported from Langfuse: text and chat, labels, configuration, message placeholders.

https://langfuse.com/docs/prompt-management/data-model
"""

import re
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from core.errors import Invalid, PromptstoneError
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.foreign import mustache, options, snippets
from prompts.foreign.chat import extras, message
from prompts.foreign.documents import entries
from prompts.foreign.found import ForeignPrompt, Found
from prompts.mocks import ToolMock

Json = dict[str, Any]
T = TypeVar("T", bound=BaseModel)
TEMPLATE = "template_format"
"""Key of a configuration that says `jinja2` where a prompt does more than fill in variables."""
_READ = {
    "name", "type", "prompt", "config", "labels", "tags", "version", "commitMessage",
}  # fmt: skip
_OF_THE_SERVER = {
    "id", "createdAt", "updatedAt", "projectId", "createdBy", "isActive", "resolutionGraph",
    "lastConfig", "lastUpdatedAt", "versions",
}  # fmt: skip
_SNIPPET = re.compile(r"(@@@langfusePrompt:[^@]*@@@)")


def read_langfuse(name: str, data: bytes) -> Found:
    """One prompt, a list of them, or a page of the API (`{"data": […]}`), oldest version first."""
    found = Found()
    listed = entries(name, data, ("data", "prompts"))
    for one in sorted(listed, key=lambda one: _version(one.item)):
        try:
            found.prompts.append(_prompt(one.where, one.item, found))
        except PromptstoneError as error:
            found.refuse(one.where, str(one.item.get("name") or "a prompt"), error)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            cause = first["msg"].removeprefix("Value error, ")
            found.leave(one.where, str(one.item.get("name") or "a prompt"), f"{cause}.")
    return found


def _version(item: Json) -> int:
    version = item.get("version")
    return version if isinstance(version, int) else 0


def _prompt(where: str, item: Json, found: Found) -> ForeignPrompt:
    given = str(item.get("name") or "")
    if not given:
        raise Invalid("It has no name. Add one.")
    for key in sorted(item.keys() - _READ - _OF_THE_SERVER):
        if item[key] is not None:
            found.leave(
                f"{where}.{key}", f"`{key}` of {given}", "It has no place in a prompt here."
            )
    if item.get("config") and not isinstance(item["config"], dict):
        found.leave(f"{where}.config", f"the configuration of {given}", "It is no map. Correct it.")
    config = cast(Json, item["config"]) if isinstance(item.get("config"), dict) else {}
    own = dict(config)
    jinja = own.get(TEMPLATE) == "jinja2"
    if jinja:
        del own[TEMPLATE]
    for key in extras(_spoken(item.get("prompt"))):
        reason = "A message here has a role and a content."
        found.leave(f"{where}.prompt.{key}", f"`{key}` of messages of {given}", reason)
    inputs, mocks = _ours(own, "inputs", Variable), _ours(own, "mocks", ToolMock)
    settings = options.known(own)
    for key, reason in settings.left.items():
        found.leave(f"{where}.config.{key}", f"`{key}` in the configuration of {given}", reason)
    messages = _messages(item, jinja)
    threads = [part.name for part in messages if isinstance(part, Variable)]
    declared = {one.name: one for one in inputs}
    for name in threads:
        declared[name] = Variable(name=name, kind="thread", required=False)
    if not jinja:
        for name in _used(item):
            declared.setdefault(name, Variable(name=name))
    content = PromptContent(
        messages=tuple(
            MessageTemplate(role="user", content=f"{{{{ {part.name} }}}}")
            if isinstance(part, Variable) else part for part in messages
        ),
        model=settings.model, options=settings.options, outputs=settings.outputs,
        tools=tuple(settings.tools), mocks=tuple(mocks), inputs=tuple(declared.values()),
    )  # fmt: skip
    name = snippets.legal_name(given)
    _leave_active(where, item, given, found)
    labels = [str(one) for one in cast(list[Any], item.get("labels") or [])]
    return ForeignPrompt(
        name, content, title=given if name != given else None,
        tags=tuple(str(one) for one in cast(list[Any], item.get("tags") or [])),
        aliases=tuple(snippets.legal_alias(one) for one in labels if one != "latest"),
        message=str(item.get("commitMessage") or ""), number=_version(item) or None,
    )  # fmt: skip


def _spoken(prompt: Any) -> list[Any]:
    """The messages that are no placeholders, which have a name."""
    listed = cast(list[Any], prompt) if isinstance(prompt, list) else []
    maps = [cast(Json, one) for one in listed if isinstance(one, dict)]
    return [one for one in maps if one.get("type") != "placeholder"]


def _leave_active(where: str, item: Json, given: str, found: Found) -> None:
    """Before labels, one version of a prompt was the active one."""
    if item.get("isActive") is True and "production" not in (item.get("labels") or []):
        reason = "Labels have taken its place. Point the alias production at the version."
        found.leave(f"{where}.isActive", f"`isActive` of {given}", reason)


def _ours(config: Json, key: str, kind: type[T]) -> list[T]:
    """What an export of ours put into the configuration."""
    given = config.get(key)
    if not isinstance(given, list):
        return []
    try:
        found = [kind.model_validate(one) for one in cast(list[Any], given)]
    except ValidationError:
        return []
    del config[key]
    return found


def _messages(item: Json, jinja: bool) -> list[MessageTemplate | Variable]:
    """Messages, and a Variable where messages are inserted."""
    prompt = item.get("prompt")

    def template(text: str) -> str:
        if jinja:
            return snippets.with_snippets(text)
        parts = _SNIPPET.split(text)
        return "".join(
            snippets.with_snippets(part) if n % 2 else mustache.to_jinja(part)
            for n, part in enumerate(parts)
        )

    if isinstance(prompt, str):
        return [MessageTemplate(role="user", content=template(prompt))]
    if not isinstance(prompt, list) or not prompt:
        raise Invalid("Its `prompt` is neither a text nor a list of messages. Correct it.")
    made: list[MessageTemplate | Variable] = []
    for n, part in enumerate(cast(list[Any], prompt), 1):
        entry = cast(Json, part) if isinstance(part, dict) else {}
        if entry.get("type") == "placeholder":
            if not isinstance(entry.get("name"), str):
                raise Invalid(f"Message {n} is a placeholder without a name. Add one.")
            made.append(Variable(name=entry["name"], kind="thread", required=False))
        else:
            made.append(message(part, n, template))
    return made


def _used(item: Json) -> list[str]:
    prompt = item.get("prompt")
    texts = [prompt] if isinstance(prompt, str) else [
        str(cast(Json, part).get("content") or "") for part in cast(list[Any], prompt)
        if isinstance(part, dict) and isinstance(cast(Json, part).get("content"), str)
    ]  # fmt: skip
    return list(dict.fromkeys(name for text in texts for name in mustache.variables(text)))
