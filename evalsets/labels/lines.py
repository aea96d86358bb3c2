"""Lines of a label file: read without the database, an error names its line."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Literal, NamedTuple, NoReturn

from core.errors import Invalid, TooLarge
from evalsets.labels.service import LabelContent, checked, checked_annotator

MAX_FILE_BYTES = 256 << 20
MAX_LINE_BYTES = 8 << 20
MAX_LINES = 1_000_000


class Place(NamedTuple):
    """An arm's answer to a case, as people name it; `repeat` None where the run has one."""

    arm: str
    case_id: str
    repeat: int | None


@dataclass(frozen=True)
class LabelLine:
    """One label; `where` is a cell's number or a place, `annotator` None leaves it open."""

    line: int
    where: int | Place
    annotator: str | None
    content: LabelContent
    at: datetime | None


@dataclass(frozen=True)
class PreferenceLine:
    """One pairwise label: which of two arms answered a case better."""

    line: int
    a: Place
    b: Place
    annotator: str | None
    preference: Literal["a", "b", "tie"]
    at: datetime | None


def read_label_lines(file: BinaryIO) -> list[LabelLine | PreferenceLine]:
    """Every line of a JSON Lines file of labels or preferences, in UTF-8.

    Raises Invalid or TooLarge with the line and the remedy; then nothing of the file counts.
    """
    return [_line(number, text) for number, text in _texts(file)]


def _texts(file: BinaryIO) -> Iterator[tuple[int, str]]:
    total = number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number, total = number + 1, total + len(raw)
        if len(raw) > MAX_LINE_BYTES:
            raise TooLarge(f"line {number}: more than 8 MiB in one line. Write one label a line.")
        if total > MAX_FILE_BYTES or number > MAX_LINES:
            raise TooLarge(
                f"line {number}: the file has more than 256 MiB or {MAX_LINES:,} lines. Split it."
            )
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise _bad(number, "this is not UTF-8. Save the file as UTF-8") from None
        if text.strip():
            yield number, text


def _bad(line: int, why: str) -> Invalid:
    return Invalid(f"line {line}: {why}.")


def _line(number: int, text: str) -> LabelLine | PreferenceLine:
    try:
        found = json.loads(text, parse_constant=_constant)
    except RecursionError:
        raise _bad(number, "nested too deep. Write one flat object a line") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise _bad(number, f"not JSON ({reason}). Write one object a line") from None
    if not isinstance(found, dict):
        raise _bad(number, 'no object. Write {"cell": 0, "label": "good"}')
    try:
        return _Fields(number, found).read()
    except Invalid as error:
        if error.message.startswith("line "):
            raise
        raise Invalid(f"line {number}: {error.message}", param=error.param) from None


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Fields:
    """The fields of one line, each checked as it is asked for."""

    def __init__(self, line: int, values: dict[str, object]) -> None:
        self._line, self._values = line, values

    def read(self) -> LabelLine | PreferenceLine:
        if "preference" in self._values:
            return self._preference()
        if "label" not in self._values:
            raise self._bad("neither a label nor a preference. Add one, or remove the line")
        label = self._text("label") or ""
        reasons = self._values.get("reasons") or []
        if not isinstance(reasons, list) or not all(isinstance(one, str) for one in reasons):
            raise self._bad('"reasons" is no list of texts. Write ["wrong"], or leave it out')
        content = checked(
            label,
            reasons,
            self._text("correction"),
            self._text("comment"),
            adjudicated=self._values.get("adjudicated") is True,
        )
        where = self._cell() if self._values.get("cell") is not None else self._place("arm")
        return LabelLine(self._line, where, self._annotator(), content, self._at())

    def _preference(self) -> PreferenceLine:
        preference = self._text("preference")
        if preference not in ("a", "b", "tie"):
            raise self._bad(f'there is no preference {preference!r}. Use "a", "b" or "tie"')
        a, b = self._place("arm_a"), self._place("arm_b")
        if a == b:
            raise self._bad("an arm cannot stand against itself. Name two arms")
        return PreferenceLine(self._line, a, b, self._annotator(), preference, self._at())

    def _bad(self, why: str) -> Invalid:
        return _bad(self._line, why)

    def _text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise self._bad(f'"{name}" is no text. Put it in quotes')
        return value

    def _annotator(self) -> str | None:
        name = self._text("annotator")
        return None if name is None else checked_annotator(name)

    def _cell(self) -> int:
        number = self._integer("cell")
        if number is None or number < 0:
            raise self._bad('"cell" is the number that `run export` gives. Correct it')
        return number

    def _integer(self, name: str) -> int | None:
        value = self._values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
            value = int(value)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._bad(f'"{name}" is no whole number. Correct it')
        return value

    def _place(self, arm_field: str) -> Place:
        arm, case = self._text(arm_field), self._values.get("case_id")
        if isinstance(case, int) and not isinstance(case, bool):
            case = str(case)
        if arm is None or not isinstance(case, str):
            names = 'arm_a, arm_b and "case_id"' if arm_field != "arm" else '"arm" and "case_id"'
            raise self._bad(f"it names no output. Give {names}" + _OR_CELL.get(arm_field, ""))
        return Place(arm, case, self._integer("repeat"))

    def _at(self) -> datetime | None:
        text = self._text("at")
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise self._bad(
                f'"at" is no moment: {text[:40]!r}. Write 2026-01-31T12:00:00Z'
            ) from None
        if at.tzinfo is None:
            raise self._bad('"at" has no time zone. Write 2026-01-31T12:00:00Z')
        try:
            return at.astimezone(UTC)
        except OverflowError:
            raise self._bad('"at" is out of range. Write 2026-01-31T12:00:00Z') from None


_OR_CELL = {"arm": ', or "cell"'}


def lines_of(text: str) -> list[LabelLine | PreferenceLine]:
    """The same of a text that was pasted or made in memory."""
    return read_label_lines(io.BytesIO(text.encode("utf-8", "surrogatepass")))
