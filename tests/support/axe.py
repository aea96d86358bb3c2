"""axe-core on a page as it stands, in light and in dark."""

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.browser import at_rest
from tests.support.depth import DEEP

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
# Streamlit's own sidebar navigation puts other elements into its lists.
KNOWN = {"list", "listitem"}
_SCHEME = """wanted => getComputedStyle(document.querySelector('[data-testid="stApp"]'))
  .colorScheme === wanted"""


def source() -> str:
    """The source of axe-core, which `make test` installs where npm is."""
    if not AXE.exists() and not os.environ.get("CI"):
        pytest.skip("axe-core is missing: install npm and run `make test`")
    return AXE.read_text()


def findings(page: Page, axe: str) -> list[str]:
    """Serious and critical findings with the first element of each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical") and one["id"] not in KNOWN
    ]


def in_schemes(page: Page, axe: str, number: int) -> dict[str, list[str]]:
    """Findings by colour scheme; a scheme without any is left out.

    All pages have the same two palettes: but for a deep run, every other page (by its `number`) is
    looked at in the dark, the others in the light.
    """
    found: dict[str, list[str]] = {}
    for scheme in ("dark", "light") if DEEP else (("dark", "light")[number % 2],):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(_SCHEME, arg=scheme)
        at_rest(page)
        if problems := findings(page, axe):
            found[scheme] = problems
    return found
