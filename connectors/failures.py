"""What went wrong on the wire, in words a person can act on. Pure: statuses and exceptions in."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

import orjson

from connectors.wire import FATAL_FOR_MODEL, RETRYABLE, ChatFailure, FailureKind, Target

LONGEST_HOLD = 60.0
_QUOTA_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_KEYLIKE = re.compile(r"(?:sk|pk|gsk|xai|key|AIza)[-_A-Za-z0-9*]{12,}|Bearer\s+\S+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")

_STATUS_KIND: dict[int, FailureKind] = {
    401: "auth",
    402: "quota",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    429: "rate_limited",
}
_WORDS: dict[FailureKind, tuple[str, str]] = {
    "timeout": ("did not answer in time", "Raise its time-out or lower its concurrency."),
    "rate_limited": (
        "takes no more calls now",
        "Lower its concurrency or set its requests and tokens per minute.",
    ),
    "server": ("has a server that failed", "Retry later, or read the server's log if it is yours."),
    "connection": ("cannot be reached", "Check its address and that the server runs."),
    "auth": ("refused the key", "Set a valid API key for it."),
    "forbidden": ("is not allowed for this key", "Use a key that may call this model."),
    "not_found": ("is unknown to its server", "Check its model id and its base URL."),
    "quota": ("has no quota left", "Top it up at the provider."),
    "bad_request": ("refused the request", "Change the prompt or its parameters."),
    "garbage": (
        "answered something that is no chat answer",
        "Check that its base URL is that of an OpenAI-compatible API, such as https://HOST/v1.",
    ),
    "too_large": ("answered more than is allowed", "Lower max_tokens, or check its base URL."),
    "redirect": (
        "answered with a redirect, which is never followed because a key belongs to one host",
        "Set the final address as its base URL.",
    ),
    "refused_address": ("has an address that is not allowed", "Use a public or allowed address."),
    "cancelled": ("was stopped while it answered", "Send the call again if you need the answer."),
}


def describe(
    kind: FailureKind,
    target: Target,
    *,
    status: int | None = None,
    detail: str = "",
    said: str = "",
    retry_after: float | None = None,
) -> ChatFailure:
    """A failure whose sentence ends with the remedy.

    `detail` is what we saw, `said` the provider's own words; both are cleaned of keys.
    A provider that asks for more than a minute of patience has, for a run, stopped answering.
    """
    what, remedy = _WORDS[kind]
    too_long = retry_after is not None and retry_after > LONGEST_HOLD
    if too_long:
        what, remedy = f"asks to wait {retry_after:.0f} seconds", "Retry the run after that."
    seen, words = clean(detail, target.api_key), clean(said, target.api_key)
    notes = [f"HTTP {status}"] if status is not None else []
    notes += [seen] if seen else []
    notes += [f"it says: {words}"] if words else []
    where = f" ({'; '.join(notes)})" if notes else ""
    return ChatFailure(
        kind=kind,
        message=f"The model {target.name} {what}{where}. {remedy}",
        status=status,
        retry_after=retry_after,
        retryable=kind in RETRYABLE and not too_long,
        fatal_for_model=kind in FATAL_FOR_MODEL or too_long,
    )


def clean(text: str, key: str | None, limit: int = 300) -> str:
    """A provider's words on one line; silent when eight characters of the key stand in them."""
    text = _CONTROL.sub(" ", text).strip()
    if key and any(key[at : at + 8] in text for at in range(max(1, len(key) - 7))):
        return ""
    text = _KEYLIKE.sub("[key]", text)
    return text if len(text) <= limit else text[:limit] + "…"


def from_status(
    target: Target, status: int, headers: Mapping[str, str], body: bytes
) -> ChatFailure:
    """The failure behind an HTTP status that is not 200; `body` may be cut off or empty."""
    error = _error_of(body)
    code = str(error.get("code") or error.get("type") or "")
    return describe(
        _kind_of(status, code),
        target,
        status=status,
        said=str(error.get("message") or ""),
        retry_after=retry_after(headers) if status in (408, 429) or status >= 500 else None,
    )


def from_error_value(target: Target, error: object) -> ChatFailure:
    """The failure behind an `error` object that came with status 200 or inside a stream."""
    value = cast(Mapping[str, object], error) if isinstance(error, Mapping) else {"message": error}
    code = str(value.get("code") or value.get("type") or "")
    status = int(code) if code.isdigit() and 400 <= int(code) <= 599 else None
    kind = _kind_of(status or 500, code)
    return describe(kind, target, status=status, said=str(value.get("message") or ""))


def _kind_of(status: int, code: str) -> FailureKind:
    if code in _QUOTA_CODES:
        return "quota"
    if code == "model_not_found":
        return "not_found"
    if 300 <= status < 400:
        return "redirect"
    return _STATUS_KIND.get(status, "server" if status >= 500 else "bad_request")


def _error_of(body: bytes) -> Mapping[str, object]:
    """OpenAI's error object, or the nearest thing that other servers answer."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body[:300].decode("utf-8", "replace")
        return {} if text.lstrip().startswith("<") else {"message": text}
    if not isinstance(value, dict):
        return {}
    found = cast(dict[str, object], value)
    error = found.get("error", found.get("detail", found))
    return cast(dict[str, object], error) if isinstance(error, dict) else {"message": error}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (seconds or an HTTP date), never < 0."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return _finite(float(milliseconds) / 1000)
        text = headers.get("Retry-After")
        return _finite(float(text)) if text else None
    except ValueError:
        return _seconds_until(headers.get("Retry-After", ""))


def _finite(seconds: float) -> float | None:
    # min and max would let NaN through.
    return min(max(seconds, 0.0), 1e9) if seconds == seconds else None


def _seconds_until(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
