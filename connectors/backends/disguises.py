"""Tells by their first bytes, or by their instructions, files that run code when they are read."""

import pickletools
import re
import struct
from pathlib import Path

_HEADS = (
    (b"PK\x03\x04", "is a zip archive, as PyTorch writes pickles"),
    (b"PK\x05\x06", "is a zip archive"),
    (b"\x93NUMPY", "is a NumPy file, which may hold a pickle"),
    (b"\x1f\x8b", "is a compressed file"),
    (b"BZh", "is a compressed file"),
    (b"\xfd7zXZ", "is a compressed file"),
    (b"7z\xbc\xaf", "is an archive"),
    (b"\x28\xb5\x2f\xfd", "is a compressed file"),
    (b"\x89HDF", "is an HDF5 file, which may hold code"),
    (b"\x7fELF", "is a program"),
    (b"MZ", "is a program"),
    (b"\xca\xfe\xba\xbe", "is a program"),
)
_PROTOCOLS = tuple(b"\x80" + bytes([number]) for number in range(2, 8))
_NAMED = re.compile(r"[A-Za-z_][\w.]* [A-Za-z_][\w.]*")
_CALLS = {"REDUCE", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
_MOST = 4 << 20
_TAR = slice(257, 262)


def disguise_of(head: bytes) -> str | None:
    """Why a file with this head (512 bytes) may not be read; None when its head is harmless."""
    for sign, why in _HEADS:
        if head.startswith(sign):
            return why
    if head.startswith(_PROTOCOLS):
        return "is a pickle, which runs code when it is read"
    if head[_TAR] == b"ustar":
        return "is an archive"
    return None


def is_pickle(file: Path) -> bool:
    """Whether the old text form of a pickle begins here: something is named, and then called."""
    with file.open("rb") as opened:
        body = opened.read(_MOST)
    marked = named = False
    try:
        for operation, argument, _ in pickletools.genops(body):
            marked = marked or operation.name == "MARK"
            real = isinstance(argument, str) and _NAMED.fullmatch(argument) is not None
            if operation.name == "INST" and marked and real:
                return True
            named = named or operation.name == "STACK_GLOBAL"
            named = named or (operation.name == "GLOBAL" and real)
            if named and operation.name in _CALLS:
                return True
    except (ValueError, UnicodeDecodeError, struct.error, OverflowError, IndexError):
        return False
    return False
