"""Any file that may hold prompts, read by what it is."""

from pathlib import PurePosixPath

from pydantic import ValidationError

from core.errors import Invalid
from prompts.files import PLAIN_SUFFIXES, parse_prompt_file
from prompts.foreign import lm_eval, plain_yaml
from prompts.foreign.catalogues import is_catalogue, read_catalogue
from prompts.foreign.documents import entries, text_of
from prompts.foreign.found import Found, together
from prompts.foreign.langfuse import read_langfuse
from prompts.foreign.openai_prompts import is_prompt, read_prompts

SUFFIXES = (
    ".prompty",
    ".prompt",
    *PLAIN_SUFFIXES,
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".yaml",
    ".yml",
)


def read_prompts_file(name: str, data: bytes) -> Found:
    """The prompts of one file; raises Invalid or TooLarge where it cannot be read at all."""
    found = _read(name, data)
    found.not_taken = together(found.not_taken)
    return found


def _read(name: str, data: bytes) -> Found:
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if suffix in (".prompty", ".prompt", *PLAIN_SUFFIXES):
        found = Found()
        found.add_parsed(name, parse_prompt_file(path.name, data))
        return found
    if suffix in (".csv", ".tsv"):
        if not is_catalogue(name, data):
            raise Invalid(f"{name} has no columns such as act and prompt. Name the columns so.")
        return read_catalogue(name, data)
    if suffix in (".json", ".jsonl", ".ndjson"):
        return _json(name, data)
    if suffix in (".yaml", ".yml"):
        text = text_of(name, data)
        if not lm_eval.is_task(plain_yaml.load(text, name)):
            raise Invalid(
                f"{name} holds no prompt that is known. A promptfoo configuration is taken by "
                "`promptstone import promptfoo`."
            )
        try:
            return lm_eval.read_task(name, text)
        except ValidationError:
            raise Invalid(f"{name}: its template cannot be kept. Shorten it.") from None
    raise Invalid(f"{name} is no file of prompts. Give one of {', '.join(SUFFIXES)}.")


def _json(name: str, data: bytes) -> Found:
    listed = entries(name, data, ("data", "prompts"))
    first = listed[0].item if listed else {}
    if "prompt" in first and ("name" in first or first.get("type") in ("text", "chat")):
        return read_langfuse(name, data)
    if is_catalogue(name, data):
        return read_catalogue(name, data)
    if is_prompt(first):
        return read_prompts(listed, PurePosixPath(name).stem)
    raise Invalid(
        f"{name} holds no prompts that are known. Give an export of Langfuse or OpenAI, or a list "
        "of objects with act and prompt."
    )
