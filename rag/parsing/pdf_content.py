"""The content of a PDF page as pieces of text with their places; drawing is passed over.

ISO 32000-1, 8.4 (graphics state) and 9.4 (text). Several times as fast as pypdf's own reading,
and it keeps what the order of right-to-left text and of table rows needs: where each piece stands.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pypdf.generic._font import Font  # the only door to pypdf's CMaps and widths

Matrix = tuple[float, float, float, float, float, float]

_TOKEN = re.compile(
    rb"([+-]?(?:\d+\.?\d*|\.\d+))(?=[\s\[\]<>(){}/%]|\Z)"
    rb"|\(((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.|\((?:[^()\\]++|\\.)*+\))*+\))*+)\)"
    rb"|<([0-9A-Fa-f\s]*+)>|(/[^\s\[\]<>(){}/%]*+)|(<<|>>|\[|\])|([A-Za-z'\"*][A-Za-z0-9'\"*]*+)"
    rb"|%[^\r\n]*+",
    re.DOTALL,
)
_INLINE_START = re.compile(rb"(?<![^\s])BI\s[^<>()]{0,2000}?\sID\s")
_INLINE_END = re.compile(rb"\sEI(?=\s|\Z)")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_MAX_FORMS = 2_000
_MAX_FORM_DEPTH = 10
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
            ctm = _times(tuple(float(each) for each in matrix), ctm)  # type: ignore[arg-type]
        own = _object(form.get("/Resources")) or resources
        self._read(form.get_data(), own, ctm, depth + 1, found)

    def _read(  # one loop over the operators, as the format is one list of them
        self, data: bytes, resources: Any, ctm: Matrix, depth: int, found: list[Piece]
    ) -> None:
        now = _Text(ctm)
        saved: list[_Text] = []
        matrix = line = _IDENTITY
        marks: list[str | None] = []
        spoken = 0
        for operator, given in _operations(data):
            if operator in (b"Tj", b"TJ", b"'", b'"'):
                if operator in (b"'", b'"'):
                    if operator == b'"' and len(given) == 3:
                        now.word_spacing, now.spacing = _number(given[0]), _number(given[1])
                    matrix = line = _times((1, 0, 0, 1, 0, -now.leading), line)
                for shown in given[-1] if given and isinstance(given[-1], list) else given[-1:]:
                    if isinstance(shown, float):
                        matrix = _moved(matrix, -shown / 1000 * now.size * now.stretch)
                    elif isinstance(shown, bytes) and now.font is not None:
                        matrix = _show(now, matrix, shown, found)
            elif operator == b"Td" or operator == b"TD":
                if len(given) == 2:
                    if operator == b"TD":
                        now.leading = -_number(given[1])
                    line = _times((1, 0, 0, 1, _number(given[0]), _number(given[1])), line)
                    matrix = line
            elif operator == b"Tm":
                if len(given) == 6:
                    matrix = line = tuple(map(_number, given))  # type: ignore[assignment]
            elif operator == b"T*":
                matrix = line = _times((1, 0, 0, 1, 0, -now.leading), line)
            elif operator == b"BT":
                matrix = line = _IDENTITY
            elif operator == b"Tf":
                if len(given) == 2 and isinstance(given[0], str):
                    now.font, now.size = self._face(resources, given[0]), _number(given[1])
            elif operator == b"q":
                if len(saved) < 1000:
                    saved.append(_Text(**vars(now)))
            elif operator == b"Q":
                now = saved.pop() if saved else now
            elif operator == b"cm":
                if len(given) == 6:
                    now.ctm = _times(tuple(map(_number, given)), now.ctm)  # type: ignore[arg-type]
            elif operator == b"Do":
                if given and isinstance(given[-1], str):
                    self._form(resources, given[-1], now.ctm, depth, found)
            elif operator == b"BDC" or operator == b"BMC":
                marks.append(_actual_text(given))
                spoken = len(found) if marks[-1] is not None else spoken
            elif operator == b"EMC":
                if marks and (words := marks.pop()) is not None:
                    _speak(found, spoken, words)
            elif given:
                _set(now, operator, _number(given[-1]))


def _set(now: _Text, operator: bytes, value: float) -> None:
    if operator == b"Tc":
        now.spacing = value
    elif operator == b"Tw":
        now.word_spacing = value
    elif operator == b"Tz":
        now.stretch = value / 100
    elif operator == b"TL":
        now.leading = value
    elif operator == b"Ts":
        now.rise = value


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


def _operations(data: bytes) -> Iterator[tuple[bytes, list[Any]]]:
    """Operators with their operands: float, bytes, str for a name, list for an array."""
    if b"ID" in data:
        data = _without_inline_images(data)
    given: list[Any] = []
    array: list[Any] | None = None
    for token in _TOKEN.finditer(data):
        kind = token.lastindex
        if kind == 6:
            yield token[6], given
            given, array = [], None
            continue
        value: Any
        if kind == 1:
            value = float(token[1])
        elif kind == 2:
            value = _ESCAPE.sub(_unescape, token[2]) if b"\\" in token[2] else token[2]
        elif kind == 3:
            digits = bytes(token[3].split() and b"".join(token[3].split()))
            value = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
        elif kind == 4:
            value = token[4].decode("latin-1")
        elif kind == 5:
            if token[5] == b"[":
                array = []
                given.append(array)
            elif token[5] == b"]":
                array = None
            continue
        else:
            continue
        (given if array is None else array).append(value)
        if len(given) > 10_000:
            given = []


def _without_inline_images(data: bytes) -> bytes:
    """Pictures inside the content are bytes of any kind, and would be taken for operators."""
    kept: list[bytes] = []
    at = 0
    while start := _INLINE_START.search(data, at):
        end = _INLINE_END.search(data, start.end())
        if end is None:
            break
        kept.append(data[at : start.start()])
        at = end.end()
    return b" ".join([*kept, data[at:]])


def _unescape(found: re.Match[bytes]) -> bytes:
    code = found[1]
    if code[:1].isdigit() and code[:1] < b"8":
        return bytes([int(code, 8) & 0xFF])
    return b"" if code in (b"\n", b"\r", b"\r\n") else _ESCAPED.get(code, code)


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
