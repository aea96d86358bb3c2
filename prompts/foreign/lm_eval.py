"""Tasks of lm-evaluation-harness: their `doc_to_text` is a Jinja2 template already."""

from typing import Any, cast

from core.errors import Invalid
from core.names import slug
from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.foreign import options
from prompts.foreign.found import ForeignPrompt, Found
from prompts.foreign.plain_yaml import Tagged, load

Json = dict[str, Any]
_PROGRAM = "It is a function of a program, and no program of a file runs here."
_READ = {"task", "task_alias", "tag", "group", "description", "doc_to_text", "generation_kwargs"}


def is_task(value: Any) -> bool:
    """Whether a YAML value is a task, or what tasks include."""
    keys = {"doc_to_text", "doc_to_target", "output_type", "test_split", "dataset_path", "include"}
    return isinstance(value, dict) and bool(keys & cast(Json, value).keys())


def read_task(name: str, text: str) -> Found:
    """The prompt of a task; all that scores and loads is listed."""
    value = load(text, name)
    if not is_task(value):
        raise Invalid(f"{name} is no task of lm-evaluation-harness. Give a file with doc_to_text.")
    task = cast(Json, value)
    found = Found()
    title = str(task.get("task") or name.rsplit("/", 1)[-1].rsplit(".", 1)[0])
    for key in sorted(task.keys() - _READ):
        found.leave(f"{name} {key}", f"`{key}`", _reason(task[key]))
    template = task.get("doc_to_text")
    if isinstance(template, Tagged):
        found.leave(f"{name}, line {template.line}", f"the prompt of {title}", _PROGRAM)
        return found
    if not isinstance(template, str) or not template:
        why = (
            "It stands in the file that this one includes." if "include" in task else "It has none."
        )
        found.leave(name, f"the prompt of {title}", f"{why} Import the file with doc_to_text.")
        return found
    found.prompts.append(_prompt(name, title, task, template, found))
    return found


def _reason(value: Any) -> str:
    return (
        _PROGRAM if isinstance(value, Tagged) else "It is about loading or scoring in that program."
    )


def _prompt(name: str, title: str, task: Json, template: str, found: Found) -> ForeignPrompt:
    given = task.get("generation_kwargs")
    own = dict(cast(Json, given)) if isinstance(given, dict) else {}
    if "until" in own:
        own["stop"] = own.pop("until")
    if "max_gen_toks" in own:
        own["max_tokens"] = own.pop("max_gen_toks")
    settings = options.known({key: value for key, value in own.items() if key != "do_sample"})
    for key, reason in settings.left.items():
        found.leave(f"{name} generation_kwargs.{key}", f"`{key}`", reason)
    description = task.get("description")
    before = description if isinstance(description, str) else ""
    if isinstance(description, Tagged):
        found.leave(f"{name}, line {description.line}", "the description", _PROGRAM)
    # A bare name is a column of the data, not a text.
    bare = template.isidentifier()
    source = f"{{{{ {template} }}}}" if bare else template
    content = PromptContent(
        messages=(MessageTemplate(role="user", content=before + source),),
        options=settings.options,
        inputs=(Variable(name=template),) if bare else (),
    )
    return ForeignPrompt(slug(title), content, title=title if slug(title) != title else None)
