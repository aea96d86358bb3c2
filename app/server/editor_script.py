"""The code editor's script: one built file, kept by the browser for as long as it is the same."""

import gzip
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response

SCRIPT = Path(__file__).parents[1] / "workspace" / "components" / "template_editor.js"
router = APIRouter(include_in_schema=False)


@lru_cache(1)
def path() -> str:
    """Where this version of the script is served."""
    return f"/ui/editor.js?v={sha256(SCRIPT.read_bytes()).hexdigest()[:16]}"


@lru_cache(1)
def _packed() -> bytes:
    return gzip.compress(SCRIPT.read_bytes(), mtime=0)


@router.get("/ui/editor.js")
async def editor_script(request: Request) -> Response:
    """The script, packed where the browser takes it so."""
    takes = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"cache-control": "private, max-age=31536000, immutable", "vary": "accept-encoding"}
    if takes:
        headers["content-encoding"] = "gzip"
    body = _packed() if takes else SCRIPT.read_bytes()
    return Response(body, media_type="text/javascript", headers=headers)
