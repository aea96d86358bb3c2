"""Streamlit looks for components among all installed packages at every start: here once a process.

The packages stay what they are while tests run; the search takes longer than most pages.
"""

from functools import cache

from streamlit.components.v2 import manifest_scanner


def scan_once() -> None:
    """Keep what the first search finds."""
    found = manifest_scanner.scan_component_manifests
    if not hasattr(found, "cache_info"):
        manifest_scanner.scan_component_manifests = cache(found)
