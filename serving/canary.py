"""Canaries: which calls a candidate release gets."""

import hashlib


def takes_canary(app_id: str, alias: str, canary: int, sticky: str, percent: int) -> bool:
    """Whether the caller `sticky` (a user, else the request id) is among `percent` of all.

    The same caller always is or is not, for one canary of one alias; the next canary draws anew.
    """
    text = f"{app_id}|{alias}|{canary}|{sticky}"
    drawn = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")
    return drawn < percent * (1 << 64) // 100
