"""What tools an answer called, what they were said to answer, and whether it fits its schema."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import streamlit as st

from app.workspace.components import output
from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from connectors.models import Generation
from core.canonical import canonical_json
from evalsets.evaluators.schema_check import violation
from prompts.mocks import called


def draw(row: Generation, *, key: str, has_mocks: bool) -> None:
    """Rounds that went on, in their order, then the calls at which the answer ends."""
    for number, one in enumerate(row.rounds or []):
        _calls(one["tool_calls"], one["results"], f"{key}_round_{number}")
    if not row.tool_calls:
        return
    _calls(row.tool_calls, None, f"{key}_last")
    st.caption(t("prompts.tools_open_more" if row.rounds or has_mocks else "prompts.tools_open"))


def _calls(calls: Sequence[Mapping[str, Any]], results: Sequence[str] | None, key: str) -> None:
    for place, call in enumerate(calls):
        name, arguments = called(call)
        text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        st.caption(f":material/build: {plain(raw('prompts.tool_called', tool=name))}")
        output.output(text, key=f"{key}_{place}", label=raw("prompts.tool_called", tool=name))
        if results is not None:
            said = raw("prompts.tool_said", tool=name)
            st.caption(f":material/subdirectory_arrow_right: {plain(said)}")
            output.output(results[place], key=f"{key}_{place}_result", label=said)


def fits(text: str, schema: Mapping[str, Any] | None) -> None:
    """Whether an answer that has ended fits the schema, or where it first does not."""
    if schema is None or not text:
        return
    fault = _fault(text, canonical_json(schema))
    if fault is None:
        st.caption(f":material/check: {t('prompts.schema_fits')}")
    else:
        st.caption(f":material/close: {plain(raw('prompts.schema_fault', fault=fault))}")


@lru_cache(64)
def _fault(text: str, schema: str) -> str | None:
    try:
        return violation(text, orjson.loads(schema))
    except (TimeoutError, ValueError) as error:
        return str(error)
