"""Every failure as an answer in OpenAI's error shape, never HTML and never a stack trace."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from core.errors import PromptstoneError, http_status

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


def error_answer(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    *,
    param: str | None = None,
    code: str | None = None,
) -> JSONResponse:
    """The one shape: `{"error": {"message", "type", "param", "code"}}`."""
    body = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": body}, status)


def answer_of(error: PromptstoneError) -> JSONResponse:
    """The answer that the table of `core.errors` gives to a foreseen failure."""
    status, kind = http_status(error)
    return error_answer(status, error.message, kind, param=error.param, code=error.code)


def add_handlers(api: FastAPI) -> None:
    """Map foreseen, HTTP, validation and unforeseen errors of all our routes."""
    handlers: dict[type[Exception], Handler] = {
        PromptstoneError: _foreseen,
        HTTPException: _http,
        RequestValidationError: _validation,
        Exception: _unforeseen,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


async def _foreseen(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PromptstoneError)
    return answer_of(error)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    answer = error_answer(error.status_code, f"{HTTPStatus(error.status_code).phrase}.")
    answer.headers.update(error.headers or {})
    return answer


async def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return error_answer(422, f"{where}: {first['msg']}. Correct this field.", param=where)


async def _unforeseen(_request: Request, _error: Exception) -> JSONResponse:
    return unforeseen()


def unforeseen() -> JSONResponse:
    """What a client is told of a failure that is ours."""
    return error_answer(
        500, "Something unforeseen failed. The server's log tells more.", "server_error"
    )
