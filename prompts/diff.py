"""What changed between two contents: words of each message, and settings, as values.

Lines are compared first, then words within the lines that differ. A Chinese, Japanese or Korean
character is a token of its own, because these scripts set no spaces.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

from core.canonical import canonical_json
from prompts.content import MessageTemplate, PromptContent
from prompts.matching import blocks

Change = Literal["same", "removed", "added"]
Part = Literal["model", "options", "inputs", "outputs", "tools", "mocks", "includes"]
_CJK = (
    "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uac00-\\ud7af\\uf900-\\ufaff"
    "\\U00020000-\\U0003ffff"
)
_TOKEN = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])\w)+|\n|[^\S\n]+|[^\w\s]")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Piece(NamedTuple):
    """A run of text that both sides have, or one of them."""

    change: Change
    text: str


class MessageDiff(NamedTuple):
    """One message of the two sides; a role is None where the message is missing."""

    before: str | None
    after: str | None
    pieces: tuple[Piece, ...]

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return self.before != self.after or any(p.change != "same" for p in self.pieces)


class SettingDiff(NamedTuple):
    """One setting with its canonical JSON on both sides; None where it is not set.

    `part` is model, options, inputs, outputs, tools, mocks or includes, `name` what within it, such
    as `temperature`, the variable or the tool.
    """

    part: Part
    name: str
    before: str | None
    after: str | None


class ContentDiff(NamedTuple):
    """Every message of both sides in order, changed or not, and the settings that differ.

    `snippets` are the included texts that differ, their roles NAME@N.
    """

    messages: tuple[MessageDiff, ...]
    settings: tuple[SettingDiff, ...]
    snippets: tuple[MessageDiff, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the contents differ at all."""
        return bool(self.settings) or any(message.changed for message in self.messages)


def tokens(text: str) -> list[str]:
    """Words, CJK characters, line ends, runs of blanks and single signs; joined, the text."""
    return _TOKEN.findall(text)


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The texts as runs: the same and removed ones joined are `before`, same and added `after`."""
    pieces: list[Piece] = []
    for left, right in _blocks(_LINE.findall(before), _LINE.findall(after)):
        if left == right:
            pieces.append(Piece("same", "".join(left)))
        else:
            pieces += _words("".join(left), "".join(right))
    return tuple(_joined(pieces))


def _words(before: str, after: str) -> list[Piece]:
    left, right = tokens(before), tokens(after)
    pieces: list[Piece] = []
    for one, other in _blocks(left, right):
        if one == other:
            pieces.append(Piece("same", "".join(one)))
        else:
            pieces += [Piece("removed", "".join(one)), Piece("added", "".join(other))]
    return _without_islands(pieces)


def _blocks(left: list[str], right: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    for block in blocks(left, right):
        yield left[block.start : block.end], right[block.other : block.stop]


def _without_islands(pieces: list[Piece]) -> list[Piece]:
    """Count a lone blank between two changes as changed, so that a phrase reads as one change."""
    found: list[Piece] = []
    for at, piece in enumerate(pieces):
        inside = 0 < at < len(pieces) - 1 and piece.change == "same"
        if inside and piece.text.isspace() and "\n" not in piece.text:
            found += [Piece("removed", piece.text), Piece("added", piece.text)]
        else:
            found.append(piece)
    return found


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    """One piece for each run of one kind; what is removed stands before what is added."""
    waiting: dict[Change, str] = {"same": "", "removed": "", "added": ""}
    for piece in pieces:
        opposite = waiting["same"] if piece.change != "same" else ""
        if opposite or (piece.change == "same" and (waiting["removed"] or waiting["added"])):
            yield from _flushed(waiting)
        waiting[piece.change] += piece.text
    yield from _flushed(waiting)


def _flushed(waiting: dict[Change, str]) -> Iterator[Piece]:
    for change, text in waiting.items():
        if text:
            yield Piece(change, text)
            waiting[change] = ""


def diff(before: PromptContent, after: PromptContent) -> ContentDiff:
    """Compare two contents; equal ones give a diff that is not `changed`."""
    return ContentDiff(
        messages=tuple(_messages(before.messages, after.messages)),
        settings=tuple(_settings(before, after)),
        snippets=tuple(_snippets(before, after)),
    )


def _snippets(before: PromptContent, after: PromptContent) -> Iterator[MessageDiff]:
    """Included texts of another version, by where they are included."""
    left, right = ({(o.within, o.ref): o for o in side.includes} for side in (before, after))
    old_texts, new_texts = ({o.target for o in side.includes} for side in (before, after))
    seen: set[tuple[str | None, str | None]] = set()
    for place in [*left, *(place for place in right if place not in left)]:
        old, new = left.get(place), right.get(place)
        names = (old.target if old else None, new.target if new else None)
        here_before = old is None and names[1] in old_texts
        still_here = new is None and names[0] in new_texts
        if names[0] != names[1] and names not in seen and not (here_before or still_here):
            seen.add(names)
            pieces = word_diff(old.text if old else "", new.text if new else "")
            yield MessageDiff(*names, pieces)


def _messages(
    before: Sequence[MessageTemplate], after: Sequence[MessageTemplate]
) -> Iterator[MessageDiff]:
    """Messages paired where they are equal, and in order between those that are."""
    for block in blocks(before, after):
        for pair in _paired(before[block.start : block.end], after[block.other : block.stop]):
            yield _message(*pair)


def _paired(
    before: Sequence[MessageTemplate], after: Sequence[MessageTemplate]
) -> Iterator[tuple[MessageTemplate | None, MessageTemplate | None]]:
    """Pair messages of one role in order; the rest stands alone."""
    waiting = list(after)
    for message in before:
        match = next((m for m in waiting if m.role == message.role), None)
        if match is not None:
            at = waiting.index(match)
            for skipped in waiting[:at]:
                yield None, skipped
            del waiting[: at + 1]
        yield message, match
    for message in waiting:
        yield None, message


def _message(before: MessageTemplate | None, after: MessageTemplate | None) -> MessageDiff:
    left, right = before.content if before else "", after.content if after else ""
    pieces = word_diff(left, right) if left != right else (Piece("same", left),)
    return MessageDiff(
        before.role if before else None,
        after.role if after else None,
        tuple(piece for piece in pieces if piece.text),
    )


def _settings(before: PromptContent, after: PromptContent) -> Iterator[SettingDiff]:
    left, right = _flat(before), _flat(after)
    for part, name in [*left, *(key for key in right if key not in left)]:
        if left.get((part, name)) != right.get((part, name)):
            yield SettingDiff(part, name, left.get((part, name)), right.get((part, name)))
    yield from _order("inputs", [v.name for v in before.inputs], [v.name for v in after.inputs])
    yield from _order("tools", _tool_names(before.tools), _tool_names(after.tools))


def _order(part: Part, before: list[str], after: list[str]) -> Iterator[SettingDiff]:
    """Order is part of the content, and worth a line only where nothing else moved it."""
    if before != after and sorted(before) == sorted(after):
        yield SettingDiff(part, "order", canonical_json(before), canonical_json(after))


def _flat(content: PromptContent) -> dict[tuple[Part, str], str]:
    """Every setting by part and name as canonical JSON."""
    found: dict[tuple[Part, str], str] = {}
    if content.model is not None:
        found["model", "model"] = canonical_json(content.model)
    for name in sorted(content.options):
        found["options", name] = canonical_json(content.options[name])
    for variable in content.inputs:
        shown = variable.model_dump(mode="json", exclude_defaults=True)
        found["inputs", variable.name] = canonical_json({"kind": variable.kind, **shown})
    if content.outputs is not None:
        found["outputs", "schema"] = canonical_json(content.outputs)
    for name, tool in zip(_tool_names(content.tools), content.tools, strict=True):
        found["tools", name] = canonical_json(tool)
    for number, mock in enumerate(content.mocks, 1):
        found["mocks", f"{mock.tool} {number}"] = canonical_json(mock.model_dump(mode="json"))
    for one in content.includes:
        if one.within is None:
            found["includes", one.ref] = one.target
    return found


def _tool_names(tools: Sequence[dict[str, Any]]) -> list[str]:
    """The tools' names, a second one of a name with its count."""
    names: list[str] = []
    for tool in tools:
        function = tool.get("function")
        inner = cast(dict[str, Any], function).get("name") if isinstance(function, dict) else None
        name = str(inner or tool.get("type") or "tool")
        names.append(f"{name} ({count + 1})" if (count := names.count(name)) else name)
    return names


def as_text(found: ContentDiff) -> str:
    """The diff for a terminal: `[-removed-]` and `{+added+}`, as `git diff --word-diff` writes."""
    lines: list[str] = []
    for message in (*found.messages, *found.snippets):
        added, removed = message.before is None, message.after is None
        mark = " (added)" if added else " (removed)" if removed else ""
        lines.append(f"{message.after or message.before}:{mark}")
        lines.append("".join(map(_marked, message.pieces)) + "\n")
    for setting in found.settings:
        change = f"{setting.before or '—'} → {setting.after or '—'}"
        lines.append(f"{setting.part} {setting.name}: {change}")
    return "\n".join(lines).rstrip("\n") + "\n"


def _marked(piece: Piece) -> str:
    marks = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    start, end = marks[piece.change]
    return f"{start}{piece.text}{end}"
