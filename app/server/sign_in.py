"""One-time links become a session cookie; without one, a page tells how to get a link."""

from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.server.context import current
from core.errors import Unauthorized
from core.users import ABSOLUTE, check_link, redeem

router = APIRouter(include_in_schema=False)
_PAGE = Template((Path(__file__).parent / "sign_in.html").read_text())
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


@router.get("/sign-in")
async def sign_in(request: Request, token: str | None = None) -> Response:
    """Redeem the token of a link once; a browser that only prefetches does not use it up."""
    if token is None:
        return _page("", 200)
    if "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", "")):
        return Response(status_code=204)
    try:
        cookie = await run_in_threadpool(_redeem, token)
    except Unauthorized as error:
        return _page(error.message, 401)
    answer = RedirectResponse("/", 303, {"cache-control": "no-store"})
    answer.set_cookie(
        current().cookie,
        cookie,
        max_age=int(ABSOLUTE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


def _redeem(token: str) -> str:
    # Guesses cost a look only: whoever reaches the port must not hold up those who write.
    with current().database.read_scope() as session:
        check_link(session, token)
    with current().database.session_scope("sign-in") as session:
        return redeem(session, token)


def _page(message: str, status: int) -> HTMLResponse:
    return HTMLResponse(_PAGE.substitute(message=escape(message)), status, _HEADERS)
