"""Every documented field of Langfuse's prompts and of OpenAI's prompt objects is taken, or listed.

https://api.reference.langfuse.com (prompts), https://langfuse.com/docs/prompt-management
"""

from typing import Any

import pytest

from core.errors import Invalid
from prompts.foreign.documents import entries
from prompts.foreign.found import Found
from prompts.foreign.langfuse import read_langfuse
from prompts.foreign.openai_prompts import read_prompts
from prompts.foreign.snippets import with_snippets
from tests.prompts.test_foreign import data

LANGFUSE: dict[str, Any] = {
    "id": "x", "createdAt": "x", "updatedAt": "x", "projectId": "x", "createdBy": "x",
    "name": "canary-name", "version": 97_531, "type": "chat", "isActive": True,
    "labels": ["canary-label", "latest"], "tags": ["canary-tag"],
    "commitMessage": "canary-commit", "resolutionGraph": None, "new": "x",
    "config": {"model": "canary-model", "temperature": 0.4321, "canary_unknown": [1],
               "template_format": "mustache", "inputs": "canary",
               "tools": [{"type": "function", "function": {"name": "canary_tool"}}],
               "response_format": {"type": "json_schema", "json_schema": {
                   "name": "x", "schema": {"type": "object", "title": "canary-schema"}}}},
    "prompt": [
        {"type": "chatmessage", "role": "system", "content": "canary-text {{canary_var}}", "name": "n"},
        {"type": "placeholder", "name": "canary_turns"},
        {"role": "user", "content": "@@@langfusePrompt:name=canary-a|version=7@@@ "
                                    "@@@langfusePrompt:name=canary-b|label=canary-c@@@"},
    ],
}  # fmt: skip
OPENAI: dict[str, Any] = {
    "id": "pmpt_1", "object": "prompt", "name": "canary-name", "version": "2", "created_at": 1,
    "is_default": True, "description": "canary-description", "metadata": {"team": "x"},
    "model": "canary-model", "instructions": "canary-text {{tone}}", "temperature": 0.4321,
    "variables": {"tone": "canary-tone", "picture": {"type": "input_image", "image_url": "x"}},
    "messages": [{"type": "message", "role": "user", "content": "canary-more", "name": "n"}],
    "input": "second", "reasoning": {"effort": "low", "summary": "auto"}, "include": ["x"],
    "text": {"format": {"type": "text"}, "verbosity": "canary-verbosity"}, "truncation": "auto",
    "conversation": "x", "previous_response_id": "x", "background": True,
}  # fmt: skip


def places(found: Found) -> str:
    return "\n".join(f"{one.where} " for one in found.not_taken)


def test_fields_of_langfuse() -> None:
    found = read_langfuse("p.json", data(LANGFUSE))
    stored = repr(found.prompts)
    for canary in ("name", "label", "tag", "commit", "model", "text", "schema"):
        assert f"canary-{canary}" in stored, canary
    for canary in ("97531", "0.4321", "canary_tool", "canary_var", "canary_turns",
                   '{% include "canary-a@7" %}', '{% include "canary-b@canary-c" %}'):  # fmt: skip
        assert canary in stored, canary
    listed = places(found)
    for key in ("new", "isActive", "config.canary_unknown", "config.template_format",
                "config.inputs", "prompt.name"):  # fmt: skip
        assert f"p.json.{key} " in listed, key
    assert len(found.not_taken) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": [1]}, "no map"),
        ({"prompt": [{"type": "placeholder"}]}, "without a name"),
        ({"prompt": "@@@langfusePrompt:name=a|tag=b@@@"}, "version or label"),
        ({"prompt": "@@@langfusePrompt:version=1@@@"}, "names none"),
    ],
)
def test_what_langfuse_cannot_mean_is_told(change: dict[str, Any], said: str) -> None:
    found = read_langfuse("p.json", data({"name": "a", "prompt": "x", **change}))
    assert said in " ".join(one.reason for one in found.not_taken)


def test_a_reference_needs_no_label() -> None:
    assert with_snippets("@@@langfusePrompt:name=a@@@") == '{% include "a@production" %}'
    with pytest.raises(Invalid, match="no number"):
        with_snippets("@@@langfusePrompt:name=a|version=x@@@")


def test_fields_of_prompt_objects() -> None:
    found = read_prompts(entries("p.json", data(OPENAI), ()), "p")
    stored = repr(found.prompts)
    for canary in ("name", "description", "model", "text", "more", "tone", "verbosity"):
        assert f"canary-{canary}" in stored, canary
    assert "0.4321" in stored
    listed = places(found)
    for key in ("metadata", "input", "messages.name", "variables.picture", "reasoning.summary",
                "include", "truncation", "conversation", "previous_response_id", "background"):  # fmt: skip
        assert f"p.json.{key} " in listed, key


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"id": "pmpt_1", "prompt": {"id": "pmpt_2", "version": "1"}}, "pmpt_2"),
        ({"id": "pmpt_1", "messages": ["text"]}, "Message 1"),
    ],
)
def test_what_prompt_objects_cannot_mean_is_told(item: dict[str, Any], said: str) -> None:
    found = read_prompts(entries("p.json", data(item), ()), "p")
    assert said in found.not_taken[0].reason


def test_a_prompt_object_of_instructions_alone() -> None:
    found = read_prompts(
        entries("p.json", data({"id": "pmpt_1", "instructions": "Be {{x}}."}), ()), "p"
    )
    assert len(found.prompts) == 1
    assert not found.not_taken
