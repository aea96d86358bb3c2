"""What a process must be told before the libraries that phone home are imported."""

import os

QUIET = {
    "ANONYMIZED_TELEMETRY": "False",  # Chroma
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def silence_telemetry() -> None:
    """Switch every known telemetry off for this process and its children."""
    os.environ.update(QUIET)
