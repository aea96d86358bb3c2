"""Personal data by pattern and checksum: addresses and numbers, never names.

What cannot be told from an ordinary number by its form, checksum or the word before it, stays.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from rag.cleaning.changes import Change, apart
from rag.cleaning.checksums import chinese_id, iban_length, luhn

# One character for one: offsets stay.
_DIGITS = {
    first + value: str(value) for first in (0x660, 0x6F0, 0x966, 0xFF10) for value in range(10)
} | {0xFF0B: "+", 0xFF0D: "-", 0xFF20: "@", 0x2010: "-", 0x2011: "-", 0x2013: "-", 0xA0: " "}

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])(?!git@)[A-Za-z0-9_%+](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_%+-])?"
    r"@(?![0-9.]+[^A-Za-z0-9.-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}"
    r"[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
_CARD = re.compile(r"(?<![A-Za-z0-9.,_-])[2-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z_]|[.,-][0-9])")
_CHINESE_ID = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])"
    r"(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
)
_SSN = re.compile(
    r"(?<![A-Za-z0-9.-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![A-Za-z0-9]|-[0-9])"
)
_IPV4 = re.compile(
    r"(?<![A-Za-z0-9._-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![A-Za-z0-9_]|[.-][A-Za-z0-9])"
)
_IPV6 = re.compile(r"(?<![A-Za-z0-9:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{3,36}(?![A-Za-z0-9:.])")
_NOT_ADDRESS = re.compile(
    r"(?:\bv|version|ver\.?|release|build|section|chapter|clause|§"
    r"|[=<>~]=|[~^@]|版本|版|第|节|章)\s{0,2}$",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:\bips?|address|host|server|dns|gateway|ping|from|://|client|地址|服务器|主机|عنوان)\W{0,6}$",
    re.IGNORECASE,
)
_NO_MORE = r"(?![0-9A-Za-z_]|[.,-][0-9])"
_NEXT_TO = r"(?<![A-Za-z0-9.,_/#=-])"
_ALONE = _NEXT_TO + r"(?<![0-9] )"
_PHONES = (
    # International, with its plus sign or 00: 7 to 15 digits (ITU-T E.164).
    re.compile(_NEXT_TO + r"\+[1-9](?:[ .()/-]{0,3}[0-9]){6,14}" + _NO_MORE),
    re.compile(_ALONE + r"00[1-9](?:[ ()/]{0,3}[0-9]){6,14}" + _NO_MORE),
    # North America: (415) 555-2671, 415-555-2671, 1-415-555-2671.
    re.compile(
        _NEXT_TO + r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}([ .-]))"
        r"[2-9][0-9]{2}(?(1)\1|[ .-])[0-9]{4}" + _NO_MORE
    ),
    # China: 138 0013 8000, 010-62345678.
    re.compile(_NEXT_TO + r"(?:86[ -]?)?1[3-9][0-9]([ -]?)[0-9]{4}\1[0-9]{4}" + _NO_MORE),
    re.compile(_ALONE + r"\(?0[1-9][0-9]{1,2}\)?[ -][2-9][0-9]{6,7}" + _NO_MORE),
    # France: 01 23 45 67 89.
    re.compile(_ALONE + r"0[1-9](?:([ .])[0-9]{2})(?:\1[0-9]{2}){3}" + _NO_MORE),
)  # fmt: skip
_CUED_PHONE = re.compile(
    r"(?:\b(?:tel|phone|telephone|telefon|tél|téléphone|fax|mobile|mobil|cell|call|whatsapp|dial)\b"
    r"|电话|手机|传真|联系方式|هاتف|جوال|電話)"
    r"(?: ?(?:no|number|nr|us at|me at|at|号码?|رقم))?[.:：)）]{0,2}\s{0,2}"
    r"(?P<number>\(?\+?[0-9](?:[ .()/-]{0,3}[0-9]){5,14})(?![0-9A-Za-z_]|[.,-][0-9])",
    re.IGNORECASE,
)
_SMALL = 32
_BEFORE = 24


def pii(text: str) -> list[Change]:
    """Masks for what is found: [EMAIL] [IBAN] [CARD] [ID] [SSN] [IP] [PHONE].

    Where two readings of the same characters are possible, the one with the checksum stands.
    """
    plain = text.translate(_DIGITS)
    found = [Change(start, end, mask) for mask, find in _KINDS for start, end in find(plain)]
    return apart(found)


def _spans(
    pattern: re.Pattern[str], holds: Callable[[str], bool]
) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (match.span() for match in pattern.finditer(text) if holds(match.group()))


def _emails(text: str) -> Iterator[tuple[int, int]]:
    # Each match holds an @, and most texts hold few.
    return (match.span() for match in _EMAIL.finditer(text)) if "@" in text else iter(())


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        if length := iban_length(match.group()):
            yield match.start(), match.start() + length


def _ipv4(text: str) -> Iterator[tuple[int, int]]:
    for match in _IPV4.finditer(text):
        if _is_ipv4(text, match):
            yield match.span()


def _is_ipv4(text: str, match: re.Match[str]) -> bool:
    """Four small numbers are a version or a section unless a word before them says otherwise."""
    try:
        address = IPv4Address(match.group())
    except AddressValueError:
        return False
    before = text[max(0, match.start() - _BEFORE) : match.start()]
    if address.is_loopback or address.is_unspecified:
        return False
    if _ADDRESS.search(before):
        return True
    parts = address.packed
    small = max(parts) < _SMALL and parts[0] != 10 and len(set(parts)) > 1
    return not small and not _NOT_ADDRESS.search(before)


def _is_ipv6(candidate: str) -> bool:
    if candidate.count(":") < 2 or not any(each.isdigit() for each in candidate):
        return False
    try:
        address = IPv6Address(candidate)
    except AddressValueError:
        return False
    groups = [group for group in candidate.split(":") if group]
    return not address.is_loopback and (len(groups) >= 4 or len(groups[0]) >= 3)


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _PHONES:
        yield from (match.span() for match in pattern.finditer(text))
    yield from (match.span("number") for match in _CUED_PHONE.finditer(text))


_KINDS: tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    ("[EMAIL]", _emails),
    ("[IBAN]", _ibans),
    ("[CARD]", _spans(_CARD, luhn)),
    ("[ID]", _spans(_CHINESE_ID, chinese_id)),
    ("[SSN]", _spans(_SSN, bool)),
    ("[IP]", _ipv4),
    ("[IP]", _spans(_IPV6, _is_ipv6)),
    ("[PHONE]", _phones),
)
