"""What changed between two releases, in words."""

import pytest

from connectors.models import ModelSettings
from evalsets.runs.manifest import FrozenModel, FrozenPrompt
from prompts.content import PromptContent, content_hash
from rag.answer import Retrieval
from rag.search_settings import SearchSettings
from serving.diffing import Change, as_text, diff
from serving.guards import InjectionGuard, LengthGuard, PiiGuard
from serving.manifest import FrozenDoor, ReleaseManifest
from serving.settings import Pinned


def door(name: str = "fast", model: str = "m", **params: object) -> FrozenDoor:
    settings = ModelSettings(base_url="https://models.example.com/v1", model=model)
    return FrozenDoor(model=FrozenModel(name=name, settings=settings), params=params)


def manifest(text: str = "Answer {{ question }}", version: int = 1, **fields) -> ReleaseManifest:
    options = fields.pop("options", {})
    content = PromptContent.model_validate(
        {"messages": [{"role": "user", "content": text}], "options": options}
    )
    prompt = FrozenPrompt(name="faq", version=version, hash=content_hash(content), content=content)
    return ReleaseManifest(
        **{"kind": "completion", "prompt": prompt, "models": (door(),), **fields}
    )


def test_the_same_is_not_changed() -> None:
    assert not diff(manifest(), manifest()).changed


def test_words_and_version_of_the_prompt() -> None:
    found = diff(manifest(), manifest("Answer kindly {{ question }}", 2, options={"top_p": 1}))
    assert found.changed
    assert ("added", "kindly ") in [tuple(piece) for piece in found.messages[0].pieces]
    assert found.changes == (
        Change("prompt", "version", "faq@1", "faq@2"),
        Change("prompt", "options top_p", None, "1"),
    )
    text = as_text(found)
    assert "user:\nAnswer {+kindly +}{{ question }}" in text
    assert "prompt version: faq@1 → faq@2" in text


def test_an_unchanged_message_is_not_printed() -> None:
    assert as_text(diff(manifest(), manifest(repair=False))) == "app repair: true → false\n"


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"models": (door(temperature=0.5),)}, Change("model", "temperature", None, "0.5")),
        ({"models": (door(model="n"),)}, Change("model", "model", "m", "n")),
        ({"models": (door("slow"),)}, Change("model", "name", "fast", "slow")),
        ({"kind": "chat"}, Change("app", "kind", "completion", "chat")),
        ({"history": "server"}, Change("app", "history", "client", "server")),
        (
            {"pinned": (Pinned(question="Hi?", answer="Yes."),)},
            Change("pinned", "Hi?", None, '{"answer":"Yes.","match":"exact","threshold":0.9}'),
        ),
        (
            {"guards": (PiiGuard(),)},
            Change("guard", "pii", None, 'pii {"action":"mask","where":"before"}'),
        ),
    ],
)  # fmt: skip
def test_every_other_part_is_named(fields: dict, change: Change) -> None:
    found = diff(manifest(), manifest(**fields))
    assert found.changes == (change,)
    back = diff(manifest(**fields), manifest()).changes
    assert back == (change._replace(before=change.after, after=change.before),)


def test_fallbacks_are_counted() -> None:
    found = diff(manifest(), manifest(models=(door(), door("slow", "n", seed=1))))
    assert {one.part for one in found.changes} == {"fallback"}
    assert Change("fallback", "1 name", None, "slow") in found.changes
    assert Change("fallback", "1 seed", None, "1") in found.changes


def test_retrieval_is_compared_setting_by_setting() -> None:
    one = Retrieval(kb="docs", base_id="b", snapshot=1)
    other = one.model_copy(update={"snapshot": 2, "settings": SearchSettings(top_k=3)})
    found = diff(manifest(retrieval=one), manifest(retrieval=other))
    assert set(found.changes) == {
        Change("retrieval", "snapshot", "1", "2"), Change("retrieval", "top_k", "8", "3"),
    }  # fmt: skip


def test_guards_are_compared_as_a_whole_and_by_their_order() -> None:
    length, pii, injection = LengthGuard(most=10), PiiGuard(), InjectionGuard()
    moved = diff(manifest(guards=(length, pii)), manifest(guards=(pii, length)))
    assert moved.changes == (Change("guard", "order", "length, pii", "pii, length"),)
    twice = diff(manifest(guards=(pii, pii)), manifest(guards=(pii, injection)))
    assert [(one.name, one.before is None) for one in twice.changes] == [
        ("pii", False), ("injection", True),
    ]  # fmt: skip


def test_whatever_changes_the_hash_is_in_the_diff() -> None:
    """A release that differs must never be shown as the same one."""
    base = manifest()
    others = [
        manifest("Other"), manifest(kind="chat"), manifest(models=(door(model="n"),)),
        manifest(models=(door(seed=1),)), manifest(models=(door(), door("slow"))),
        manifest(retrieval=Retrieval(kb="d", base_id="b", snapshot=1)),
        manifest(history="server"), manifest(guards=(PiiGuard(),)), manifest(repair=False),
        manifest(pinned=(Pinned(question="a", answer="b"),)), manifest(options={"seed": 1}),
    ]  # fmt: skip
    for other in others:
        assert other.hash() != base.hash()
        assert diff(base, other).changed
