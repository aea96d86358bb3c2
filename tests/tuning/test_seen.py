"""Rows as a model reads them: the pieces join to the whole, and only answers are learned."""

import json
from pathlib import Path

import pytest

from connectors.demo import model_file
from core.errors import Invalid, Unavailable
from tuning.data.rows import PairRow, Row, SftRow, ThumbRow, Turn, as_trl
from tuning.data.seen import Face, face_of, seen
from tuning.pieces import Piece

SYSTEM, ASK, SAY = Turn("system", "s"), Turn("user", "a?"), Turn("assistant", "b.")
PLAIN = Face(
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
    {},
)
THINKS = Face(
    "{% for m in messages %}<{{ m.role }}>"
    "{% if m.role == 'assistant' and loop.last %}(thinks){% endif %}{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}",
    {},
)


def learned(face: Face, row: Row) -> dict[str, list[str]]:
    return {part.name: [p.text for p in part.pieces if p.learned] for part in seen(face, row)}


def test_every_answer_of_a_conversation_is_learned() -> None:
    (part,) = seen(PLAIN, SftRow((SYSTEM, ASK, SAY, ASK, SAY)))
    text = "".join(piece.text for piece in part.pieces)
    assert text == "<system>s</><user>a?</><assistant>b.</><user>a?</><assistant>b.</>"
    assert [p.text for p in part.pieces if p.learned] == ["b.</>", "b.</>"]


def test_a_template_that_rewrites_earlier_turns_leaves_only_the_last_answer() -> None:
    assert learned(THINKS, SftRow((ASK, SAY, ASK, SAY))) == {"messages": ["(thinks)b.</>"]}


def test_of_preferences_and_thumbs_the_answers_are_learned() -> None:
    bad = (Turn("assistant", "c."),)
    assert learned(PLAIN, PairRow((ASK,), (SAY,), bad)) == {
        "chosen": ["b.</>"], "rejected": ["c.</>"],
    }  # fmt: skip
    assert learned(PLAIN, ThumbRow((ASK,), (SAY,), True)) == {"completion": ["b.</>"]}


def test_a_models_face_is_its_template_and_its_tokens(tmp_path: Path) -> None:
    config = {"chat_template": "{{ bos_token }}", "bos_token": {"content": "<b>"}, "eos_token": "e"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    body = len(header).to_bytes(8, "little") + header + b"\0" * 4
    (tmp_path / "model.safetensors").write_bytes(body)
    assert face_of(tmp_path, tmp_path) == Face(
        "{{ bos_token }}", {"bos_token": "<b>", "eos_token": "e"}
    )
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(Invalid, match="no chat template"):
        face_of(tmp_path, tmp_path)


def test_the_embedded_model_reads_its_own_marks(tmp_path: Path) -> None:
    try:
        face = face_of(tmp_path, model_file())
    except Unavailable as error:
        pytest.skip(error.message)
    (part,) = seen(face, SftRow((ASK, SAY)))
    assert part.pieces[-2] == Piece("b.<|im_end|>\n", True)
    assert as_trl(SftRow((ASK, SAY)))["messages"][0]["content"] in part.pieces[0].text
