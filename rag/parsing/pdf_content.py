"""The content of a PDF page as pieces of text with their places; drawing is passed over.

ISO 32000-1, 8.4 (graphics state) and 9.4 (text). Several times as fast as pypdf's own reading,
and it keeps what the order of right-to-left text and of table rows needs: where each piece stands.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pypdf.generic._font import Font  # the only door to pypdf's CMaps and widths

from rag.parsing.pdf_tokens import operations

Matrix = tuple[float, float, float, float, float, float]

_MAX_FORMS = 2_000
_MAX_FORM_DEPTH = 10
_MAX_SAVED = 1_000
_SHOWS = frozenset((b"Tj", b"TJ", b"'", b'"'))
_MOVES = frozenset((b"BT", b"Td", b"TD", b"Tm", b"T*"))
_SETTINGS = {
    b"Tc": "spacing", b"Tw": "word_spacing", b"Tz": "stretch", b"TL": "leading", b"Ts": "rise",
}  # fmt: skip
_IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class Piece(NamedTuple):
    """Glyphs set in one stroke, in the order they stand, each of one or more letters."""

    x: float
    y: float
    end: float
    size: float
    turn: int
    """Degrees by which the text is turned, to which `x`, `y` and `end` are already adapted."""
    clusters: tuple[str, ...]


@dataclass
class _Text:
    """What q saves and Q restores, as far as text needs it."""

    ctm: Matrix
    font: "_Face | None" = None
    size: float = 1.0
    spacing: float = 0.0
    word_spacing: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


class _Face:
    """A font whose strings are decoded once."""

    def __init__(self, font: Font) -> None:
        self._font = font
        self._known: dict[bytes, tuple[tuple[str, ...], float, int]] = {}

    def decode(self, raw: bytes) -> tuple[tuple[str, ...], float, int]:
        """Clusters, their width in thousandths of the size, and how many of them are spaces."""
        known = self._known.get(raw)
        if known is None:
            known = self._known[raw] = self._decode(raw)
        return known

    def _decode(self, raw: bytes) -> tuple[tuple[str, ...], float, int]:
        font = self._font
        if not font.interpretable:
            return (), 0.0, 0
        if isinstance(font.encoding, str):
            keys = coded = list(raw.decode(font.encoding, "replace"))
        else:
            keys = [chr(byte) for byte in raw]
            coded = [font.encoding.get(byte, chr(byte)) for byte in raw]
        wide = font.character_widths
        usual = wide["default"]
        width = sum(
            font.space_width if key == font.space_char else wide.get(key, usual) for key in keys
        )
        clusters = tuple(str(font.character_map.get(code, code)) for code in coded)
        return clusters, float(width), clusters.count(" ")


class Content:
    """Reads pages of one document; fonts are shared between them."""

    def __init__(self) -> None:
        self._faces: dict[Any, _Face | None] = {}
        self._forms = 0

    def pieces(self, page: Any) -> list[Piece]:
        """Every piece of text on a page, in the order in which the page sets it."""
        self._forms = 0
        contents = page.get_contents()
        if contents is None:
            return []
        found: list[Piece] = []
        resources = page.get("/Resources")
        self._read(contents.get_data(), _object(resources), _IDENTITY, 0, found)
        return found

    def _face(self, resources: Any, name: str) -> "_Face | None":
        fonts = _object(_object(resources).get("/Font")) if resources else None
        entry = fonts.raw_get(name) if fonts and name in fonts else None
        if entry is None:
            return None
        key = (entry.idnum, entry.generation) if hasattr(entry, "idnum") else id(entry)
        if key not in self._faces:
            self._faces[key] = _Face(Font.from_font_resource(entry.get_object()))
        return self._faces[key]

    def _form(self, resources: Any, name: str, ctm: Matrix, depth: int, found: list[Piece]) -> None:
        forms = _object(_object(resources).get("/XObject")) if resources else None
        form = _object(forms.get(name)) if forms else None
        if form is None or form.get("/Subtype") != "/Form" or depth >= _MAX_FORM_DEPTH:
            return
        self._forms += 1
        if self._forms > _MAX_FORMS:
            return
        matrix = form.get("/Matrix")
        if matrix is not None and len(matrix) == 6:
            ctm = _times(_matrix([float(each) for each in matrix]), ctm)
        own = _object(form.get("/Resources")) or resources
        self._read(form.get_data(), own, ctm, depth + 1, found)

    def _read(
        self, data: bytes, resources: Any, ctm: Matrix, depth: int, found: list[Piece]
    ) -> None:
        state = _State(_Text(ctm), found)
        for operator, given in operations(data):
            if operator == b"Tf":
                if len(given) == 2 and isinstance(given[0], str):
                    state.now.font = self._face(resources, given[0])
                    state.now.size = _number(given[1])
            elif operator == b"Do":
                if given and isinstance(given[-1], str):
                    self._form(resources, given[-1], state.now.ctm, depth, found)
            else:
                state.apply(operator, given)


class _State:
    """What the operators of one stream have said so far."""

    def __init__(self, now: _Text, found: list[Piece]) -> None:
        self.now = now
        self._found = found
        self._saved: list[_Text] = []
        self._matrix: Matrix = _IDENTITY
        self._line: Matrix = _IDENTITY
        self._marks: list[tuple[str | None, int]] = []

    def apply(self, operator: bytes, given: list[Any]) -> None:
        """One operator other than those that look up a resource."""
        if operator in _SHOWS:
            self._show(operator, given)
        elif operator in _MOVES:
            self._move(operator, given)
        elif operator == b"q":
            if len(self._saved) < _MAX_SAVED:
                self._saved.append(replace(self.now))
        elif operator == b"Q":
            self.now = self._saved.pop() if self._saved else self.now
        elif operator == b"cm":
            self.now.ctm = _times(_matrix(given), self.now.ctm)
        elif operator in (b"BDC", b"BMC"):
            self._marks.append((_actual_text(given), len(self._found)))
        elif operator == b"EMC":
            words, since = self._marks.pop() if self._marks else (None, 0)
            if words is not None:
                _speak(self._found, since, words)
        elif operator in _SETTINGS and given:
            setattr(self.now, *_setting(operator, given))

    def _move(self, operator: bytes, given: list[Any]) -> None:
        if operator == b"BT":
            self._line = _IDENTITY
        elif operator == b"Tm":
            self._line = _matrix(given)
        elif operator == b"T*":
            self._next_line()
        elif len(given) == 2:
            if operator == b"TD":
                self.now.leading = -_number(given[1])
            self._line = _times((1, 0, 0, 1, _number(given[0]), _number(given[1])), self._line)
        self._matrix = self._line

    def _next_line(self) -> None:
        self._matrix = self._line = _times((1, 0, 0, 1, 0, -self.now.leading), self._line)

    def _show(self, operator: bytes, given: list[Any]) -> None:
        if operator in (b"'", b'"'):
            if operator == b'"' and len(given) == 3:
                self.now.word_spacing, self.now.spacing = _number(given[0]), _number(given[1])
            self._next_line()
        for shown in given[-1] if given and isinstance(given[-1], list) else given[-1:]:
            if isinstance(shown, float):
                by = -shown / 1000 * self.now.size * self.now.stretch
                self._matrix = _moved(self._matrix, by)
            elif isinstance(shown, bytes) and self.now.font is not None:
                self._matrix = _show(self.now, self._matrix, shown, self._found)


def _setting(operator: bytes, given: list[Any]) -> tuple[str, float]:
    value = _number(given[-1])
    return _SETTINGS[operator], value / 100 if operator == b"Tz" else value


def _matrix(given: list[Any]) -> Matrix:
    if len(given) != 6:
        return _IDENTITY
    a, b, c, d, e, f = map(_number, given)
    return (a, b, c, d, e, f)


def _show(now: _Text, matrix: Matrix, raw: bytes, found: list[Piece]) -> Matrix:
    """Add the piece that `raw` sets; where the next one begins."""
    assert now.font is not None
    clusters, width, spaces = now.font.decode(raw)
    advance = width / 1000 * now.size + now.spacing * len(clusters) + now.word_spacing * spaces
    after = _moved(matrix, advance * now.stretch)
    if clusters:
        at = _times((1, 0, 0, 1, 0, now.rise), _times(matrix, now.ctm))
        end = _times(after, now.ctm)
        scale = math.hypot(at[2], at[3])
        turn = round(math.degrees(math.atan2(at[1], at[0])) / 90) * 90 % 360
        x, y = _turned(at[4], at[5], turn)
        found.append(
            Piece(x, y, _turned(end[4], end[5], turn)[0], abs(now.size) * scale, turn, clusters)
        )
    return after


def _turned(x: float, y: float, turn: int) -> tuple[float, float]:
    return {0: (x, y), 90: (y, -x), 180: (-x, -y), 270: (-y, x)}[turn]


def _speak(found: list[Piece], since: int, words: str) -> None:
    """Put `words` in the place of the pieces that stand for them."""
    if len(found) > since:
        pieces = found[since:]
        first = pieces[0]._replace(
            clusters=(words,),
            x=min(piece.x for piece in pieces),
            end=max(piece.end for piece in pieces),
        )
        found[since:] = [first] if words else []


def _actual_text(given: list[Any]) -> str | None:
    """The words that /ActualText gives for what is marked, if it does."""
    if "/ActualText" not in given:
        return None
    at = given.index("/ActualText") + 1
    raw = given[at] if at < len(given) else None
    if not isinstance(raw, bytes):
        return None
    return (
        raw[2:].decode("utf-16-be", "replace") if raw[:2] == b"\xfe\xff" else raw.decode("latin-1")
    )


def _number(value: Any) -> float:
    return value if isinstance(value, float) else 0.0


def _moved(matrix: Matrix, by: float) -> Matrix:
    a, b, c, d, e, f = matrix
    return (a, b, c, d, e + by * a, f + by * b)


def _times(m: Matrix, n: Matrix) -> Matrix:
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def _object(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value
