"""The HTTP interface as a page of our own, so that nothing is loaded from elsewhere."""

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.6 system-ui, sans-serif; max-width: 54rem; margin: 3rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; }
summary { cursor: pointer; padding: .5rem 0; border-top: 1px solid #8884; }
summary code { font-weight: 600; }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every documented route with its parameters and answers."""
    schema = request.app.openapi()
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    routes = "\n".join(_routes(schema["paths"]))
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
        '<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. Errors have one shape: '
        '<code>{"error": {"message", "type", "param", "code"}}</code>.</p>'
        f"{routes}</main></body></html>"
    )


def _routes(paths: dict[str, dict[str, Any]]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, route in methods.items():
            head = f"<code>{escape(method.upper())} {escape(path)}</code>"
            told = escape(route.get("description") or route.get("summary", ""))
            parts = "".join(_parts(route))
            yield f"<details open><summary>{head} {told}</summary><ul>{parts}</ul></details>"


def _parts(route: dict[str, Any]) -> Iterator[str]:
    for parameter in route.get("parameters", []):
        need = "required" if parameter.get("required") else "optional"
        told = escape(parameter.get("description", ""))
        yield f"<li><code>{escape(parameter['name'])}</code> ({need}) {told}</li>"
    for status, answer in route.get("responses", {}).items():
        yield f"<li>{escape(status)}: {escape(answer.get('description', ''))}</li>"
