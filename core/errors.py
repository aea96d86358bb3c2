"""What can go wrong in a way that a person or a program can act on.

Every sentence ends with its remedy. Pages show it, the CLI prints it and exits 1, the API answers
the status of `STATUS` in OpenAI's error shape.
"""

from collections.abc import Sequence
from typing import NamedTuple

MOST_CHARACTERS = 1500


def _shown(message: str) -> str:
    """A sentence that every terminal and JSON can carry, whatever input it quotes."""
    message = message.encode("utf-8", "backslashreplace").decode()
    if len(message) <= MOST_CHARACTERS:
        return message
    return f"{message[: MOST_CHARACTERS - 501]}…{message[-500:]}"


class PromptstoneError(Exception):
    """A foreseen failure whose text is one sentence with the remedy."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        message = _shown(message)
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class NotFound(PromptstoneError):
    """The named object does not exist."""


class Invalid(PromptstoneError):
    """An input is malformed or contradicts another."""


class Conflict(PromptstoneError):
    """The object moved on, exists already or is in a state that forbids the action."""


class Unauthorized(PromptstoneError):
    """No session or key, or one that is no longer good."""


class Forbidden(PromptstoneError):
    """Known, but not allowed."""


class TooLarge(PromptstoneError):
    """An input exceeds a stated limit."""


class RateLimited(PromptstoneError):
    """Too many at once; later it works: in `retry_after` seconds, where that is known.

    `headers` are what an HTTP answer says of the limits.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.retry_after = retry_after
        self.headers = headers


class QuotaExhausted(RateLimited):
    """A budget is used up until its next day."""


class Overloaded(RateLimited):
    """The process has as much to do as it can; another one, or a second later, may take it."""


class Unavailable(PromptstoneError):
    """Something this depends on is missing, stopped or broken."""


class LostLease(PromptstoneError):
    """Another owner has taken the job over; what this one would write no longer counts."""


class HttpStatus(NamedTuple):
    """HTTP status and OpenAI's error type."""

    status: int
    type: str


STATUS: dict[type[PromptstoneError], HttpStatus] = {
    PromptstoneError: HttpStatus(400, "invalid_request_error"),
    NotFound: HttpStatus(404, "invalid_request_error"),
    Invalid: HttpStatus(422, "invalid_request_error"),
    Conflict: HttpStatus(409, "invalid_request_error"),
    Unauthorized: HttpStatus(401, "authentication_error"),
    Forbidden: HttpStatus(403, "permission_error"),
    TooLarge: HttpStatus(413, "invalid_request_error"),
    RateLimited: HttpStatus(429, "rate_limit_error"),
    QuotaExhausted: HttpStatus(429, "insufficient_quota"),
    Overloaded: HttpStatus(503, "server_error"),
    Unavailable: HttpStatus(503, "server_error"),
    LostLease: HttpStatus(409, "server_error"),
}


def http_status(error: PromptstoneError) -> HttpStatus:
    """The row of `STATUS` for the nearest class of `error`."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
