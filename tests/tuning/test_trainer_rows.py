"""What of a conversation is learned, whatever the chat template does with it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tuning.trainer.refusal import Refused, is_memory, reason_of
from tuning.trainer.rows import read, spoken

CHATML = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
# Thoughts of earlier turns are left out, as some models want it.
FORGETS = (
    "{% for m in messages %}<{{ m.role }}>"
    "{{ m.content if loop.last or m.role == 'user' else m.content.split('|')[-1] }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
THINKS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think></think>{% endif %}"
)


class Characters:
    """A tokenizer whose tokens are characters."""

    def __init__(self, template: str) -> None:
        self._template = ImmutableSandboxedEnvironment().from_string(template)

    def apply_chat_template(self, messages: list[dict[str, Any]], **parts: Any) -> str:
        return self._template.render(messages=messages, **parts)

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [ord(character) for character in text]}


def turns(*texts: str) -> dict[str, Any]:
    """A row: user and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]}


def learned(template: str, row: dict[str, Any], most: int = 1000) -> tuple[str, str]:
    """The whole text, and it with dots where nothing is learned."""
    found = spoken(Characters(template), row, most)
    assert found is not None
    assert all(label in (token, -100) for token, label in zip(*found, strict=True))
    whole = "".join(map(chr, found.input_ids))
    return whole, "".join("." if label == -100 else chr(label) for label in found.labels)


def test_every_turn_of_the_assistant_is_learned() -> None:
    whole, taught = learned(CHATML, turns("a", "b", "c", "d"))
    assert whole == "<user>a</><assistant>b</><user>c</><assistant>d</>"
    assert taught == "." * 21 + "b</>" + "." * 21 + "d</>"


def test_where_earlier_turns_are_rewritten_the_last_answer_is_learned() -> None:
    whole, taught = learned(FORGETS, turns("a", "x|b", "c", "y|d"))
    assert whole == "<user>a</><assistant>b</><user>c</><assistant>y|d</>"
    assert taught == "." * (len(whole) - 6) + "y|d</>"


def test_what_a_server_writes_before_an_answer_may_differ() -> None:
    whole, taught = learned(THINKS, turns("a", "b"))
    assert whole == "<user>a</><assistant>b</>"
    assert taught.endswith("b</>")
    assert taught.startswith("." * 21)


def test_an_answer_that_is_cut_off_is_left_out() -> None:
    assert learned(CHATML, turns("a", "b" * 50), most=30)[1] == "." * 21 + "b" * 9
    assert spoken(Characters(CHATML), turns("a" * 50, "b"), 30) is None


def test_a_template_that_fails_is_a_sentence() -> None:
    for template in ("{{ raise_exception('no') }}", "{{ messages.__class__.__mro__ }}{{ ''.x.y }}"):
        with pytest.raises(Refused, match="chat template of the base"):
            spoken(Characters(template), turns("a", "b"), 100)


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    good = json.dumps(turns("a", "b"))
    for bad, said in (("{", "Line 3 of rows.jsonl is no JSON"), ("{}", "Line 3 of rows.jsonl has")):
        path = tmp_path / "rows.jsonl"
        data = f"{good}\n\n{bad}\n{good}\n".encode()
        path.write_bytes(data)
        with pytest.raises(Refused, match=said):
            read(path, "sft", hashlib.sha256(data).hexdigest())


def test_reasons_name_the_remedy() -> None:
    assert "disk is full" in reason_of(OSError(28, "No space left on device"))
    assert "disk is full" in reason_of(RuntimeError("I/O error: No space left on device (28)"))
    refused = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    assert is_memory(refused)
    assert "Lower `batch`" in reason_of(refused)
    assert "ValueError: odd" in reason_of(ValueError("odd\nand more"))
