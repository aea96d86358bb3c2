"""RTF: the words of its paragraphs; tables as rows with tabs, pictures and styles left out."""

import codecs
import re

from core.errors import Invalid
from rag.parsing.extract import Extract, plain
from rag.parsing.limits import Limits

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)"
)
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet info pict object header footer headerl headerr headerf footerl "
    b"footerr footerf generator themedata datastore listtable listoverridetable rsidtbl xmlnstbl "
    b"fldinst latentstyles mmathPr bkmkstart bkmkend revtbl filetbl nonshppict".split()
)
_BREAKS = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n\n", b"page": "\n\n", b"tab": "\t",
    b"cell": "\t", b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘",
    b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_SIGNS = {b"~": "\u00a0", b"_": "-", b"-": "", b"\n": "\n", b"\r": "\n"}
_CHARSETS = {
    128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5", 161: "cp1253", 162: "cp1254",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_FONT = re.compile(rb"\\f(\d{1,5})[^;{}]*?\\fcharset(\d{1,3})")
_MAX_DEPTH = 1000


def read_rtf(data: bytes, _limits: Limits) -> Extract:
    """Paragraphs as the writer sees them, each on a line of its own."""
    text = re.sub(r"\n{2,}", "\n\n", plain(_Words(data).text())).strip()
    text = re.sub(r"\t+\n", "\n", text)
    if not text:
        raise Invalid("It has no text. If it shows pictures of pages, run OCR on it first.")
    return Extract("rtf", text)


class _Words:
    def __init__(self, data: bytes) -> None:
        self._data = data
        page = re.search(rb"\\ansicpg(\d{3,5})", data[:2000])
        self._usual = _codec(f"cp{page[1].decode()}" if page else "cp1252")
        self._fonts = {int(n): _CHARSETS.get(int(c), "") for n, c in _FONT.findall(data[:500_000])}
        self._out: list[str] = []
        self._pending = bytearray()

    def text(self) -> str:
        state = (False, "", 1)  # skipped, codec of the font, characters that follow a \u
        saved: list[tuple[bool, str, int]] = []
        skip = 0
        for token in _TOKEN.finditer(self._data):
            word, number, coded, sign, brace, words = token.groups()
            if coded is None:
                self._flush(state[1])
            if brace == b"{":
                if len(saved) >= _MAX_DEPTH:
                    raise RecursionError
                saved.append(state)
            elif brace == b"}":
                state = saved.pop() if saved else state
            elif word in _SKIPPED or sign == b"*":
                state = (True, state[1], state[2])
            elif word == b"f" and number:
                state = (state[0], self._fonts.get(int(number), ""), state[2])
            elif word == b"uc" and number:
                state = (state[0], state[1], max(0, min(int(number), 9)))
            elif not state[0]:
                skip = self._add(word, number, coded, sign, words, skip, state[2])
        self._flush(state[1])
        joined = "".join(self._out)
        return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _add(
        self, word: bytes | None, number: bytes | None, coded: bytes | None, sign: bytes | None,
        words: bytes | None, skip: int, follow: int,
    ) -> int:  # fmt: skip
        """Add what one token means; how many of the next characters only stand in for a \\u."""
        if word == b"u" and number:
            self._out.append(chr(int(number) & 0xFFFF))
            return follow
        if word is not None:
            self._out.append(_BREAKS.get(word, ""))
        elif coded is not None:
            if skip:
                return skip - 1
            self._pending.append(int(coded, 16))
        elif sign is not None:
            self._out.append(
                {b"~": "\u00a0", b"_": "-", b"-": ""}.get(sign, sign.decode("latin-1"))
            )
        elif words is not None:
            self._out.append(words.decode("latin-1")[skip:])
            return max(0, skip - len(words))
        return 0

    def _flush(self, codec: str) -> None:
        if self._pending:
            self._out.append(self._pending.decode(codec or self._usual, "replace"))
            self._pending.clear()


def _codec(name: str) -> str:
    try:
        return {"cp936": "gb18030", "cp65001": "utf-8"}.get(name) or codecs.lookup(name).name
    except LookupError:
        return "cp1252"
