"""What changed between two releases: words of the messages, and everything else by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from core.canonical import canonical_json
from prompts import diff as prompts
from prompts.diff import ContentDiff, MessageDiff
from serving.manifest import FrozenDoor, ReleaseManifest, sent

Part = Literal["app", "prompt", "model", "fallback", "retrieval", "guard", "pinned"]


class Change(NamedTuple):
    """One setting with its value on both sides as JSON; None where it is not set.

    `name` says what within the part: a setting, `1 temperature` of the first fallback, a pinned
    question.
    """

    part: Part
    name: str
    before: str | None
    after: str | None


class ReleaseDiff(NamedTuple):
    """The messages of both sides in order, changed or not, and the settings that differ.

    Included snippets of another version stand behind the messages, their roles NAME@N.
    """

    messages: tuple[MessageDiff, ...]
    changes: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        """Whether the releases differ at all."""
        return bool(self.changes) or any(message.changed for message in self.messages)


def diff(before: ReleaseManifest, after: ReleaseManifest) -> ReleaseDiff:
    """Compare two releases."""
    words = prompts.diff(before.prompt.content, after.prompt.content)
    return ReleaseDiff((*words.messages, *words.snippets), tuple(_changes(before, after, words)))


def _changes(
    before: ReleaseManifest, after: ReleaseManifest, words: ContentDiff
) -> Iterator[Change]:
    left, right = _flat(before), _flat(after)
    for part, name in [*left, *(key for key in right if key not in left)]:
        old, new = left.get((part, name)), right.get((part, name))
        if old != new:
            yield Change(part, name, old, new)
    for one in words.settings:
        yield Change("prompt", f"{one.part} {one.name}", one.before, one.after)
    yield from _guards(before, after)


_Flat = dict[tuple[Part, str], str]


def _flat(release: ReleaseManifest) -> _Flat:
    """Settings by part and name; guards stand apart, because their order counts."""
    found: _Flat = {
        ("app", "kind"): release.kind,
        ("app", "history"): release.history,
        ("app", "repair"): canonical_json(release.repair),
        ("prompt", "version"): f"{release.prompt.name}@{release.prompt.version}",
    }
    for place, door in enumerate(release.models):
        found |= _door("model" if place == 0 else "fallback", f"{place} " if place else "", door)
    if release.retrieval is not None:
        found |= _named("retrieval", "", _retrieval(release.retrieval.model_dump(mode="json")))
    for one in release.pinned:
        shown = one.model_dump(mode="json", exclude={"question"})
        found["pinned", one.question] = canonical_json(shown)
    return found


def _door(part: Part, prefix: str, door: FrozenDoor) -> _Flat:
    values = sent(door)
    params = values.pop("params")
    return _named(part, prefix, {"name": door.model.name, **values, **params})


def _retrieval(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, **values["settings"], "settings": None}


def _named(part: Part, prefix: str, values: Mapping[str, Any]) -> _Flat:
    return {
        (part, prefix + name): value if isinstance(value, str) else canonical_json(value)
        for name, value in values.items()
        if value is not None
    }


def _guards(before: ReleaseManifest, after: ReleaseManifest) -> Iterator[Change]:
    left = [_spelled(guard.model_dump(mode="json")) for guard in before.guards]
    right = [_spelled(guard.model_dump(mode="json")) for guard in after.guards]
    for gone in _beyond(left, right):
        yield Change("guard", _kind(gone), gone, None)
    for new in _beyond(right, left):
        yield Change("guard", _kind(new), None, new)
    if left != right and sorted(left) == sorted(right):
        yield Change("guard", "order", ", ".join(map(_kind, left)), ", ".join(map(_kind, right)))


def _spelled(values: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in values.items() if name != "kind"}
    return f"{values['kind']} {canonical_json(rest)}"


def _kind(spelled: str) -> str:
    return spelled.partition(" ")[0]


def _beyond(some: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    """Those of `some` that `others` do not have, each as often as it is missing."""
    left = list(others)
    for one in some:
        if one in left:
            left.remove(one)
        else:
            yield one


def as_text(found: ReleaseDiff) -> str:
    """The diff for a terminal: changed messages as `prompt diff` writes them, then settings."""
    changed = tuple(message for message in found.messages if message.changed)
    words = prompts.as_text(ContentDiff(changed, ())) if changed else ""
    lines = [
        f"{one.part} {one.name}: {one.before or '—'} → {one.after or '—'}" for one in found.changes
    ]
    return "\n".join([*([words] if words else []), *lines]).rstrip("\n") + "\n"
