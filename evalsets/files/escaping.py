"""Texts in spreadsheet cells: no formula starts, nothing is lost, and reading undoes it.

A text that a spreadsheet program would take for a formula gets a leading apostrophe (OWASP ASVS
1.2.10); so does one that already looks escaped, which makes the way back unambiguous. Control
characters and lone surrogates travel as `_x0000_` (ECMA-376 part 1, 22.9.2.19, ST_Xstring).
"""

import re

_STARTS = "=+\\-@\t\r\n\x00＝＋－＠"
_ESCAPABLE = re.compile(f"'*[{_STARTS}]")
_ESCAPED = re.compile(f"'+[{_STARTS}]")
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_CODE = "x(?:00[01][0-9A-Fa-f]|005[Ff]|[Dd][89A-Fa-f][0-9A-Fa-f]{2}|[Ff]{3}[EeFf])"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_LITERAL = re.compile(f"_(?={_CODE}[_{_CONTROLS}\r])")
_ENCODED = re.compile(f"_{_CODE}_")


def escape_cell(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet program takes for a formula."""
    guarded = f"'{text}" if _ESCAPABLE.match(text) else text
    return _CONTROL.sub(_encode, _LITERAL.sub("_x005F_", guarded))


def unescape_cell(cell: str) -> str:
    """What `escape_cell` was given."""
    text = _ENCODED.sub(_decode, cell) if "_x" in cell else cell
    return text[1:] if text[:1] == "'" and _ESCAPED.match(text) else text


def escape_xlsx(text: str) -> str:
    """Like `escape_cell`; XML turns CR into LF, and an empty text needs its own cell."""
    if not text.strip("'"):
        return f"'{text}"
    return escape_cell(text).replace("\r", "_x000D_")


def unescape_xlsx(cell: str) -> str:
    """What `escape_xlsx` was given."""
    if cell and not cell.strip("'"):
        return cell[1:]
    return unescape_cell(cell)


def _encode(match: re.Match[str]) -> str:
    return f"_x{ord(match.group()):04X}_"


def _decode(match: re.Match[str]) -> str:
    return chr(int(match.group()[2:6], 16))
