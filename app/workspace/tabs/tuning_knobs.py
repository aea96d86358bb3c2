"""The knobs of a new training, each with what follows from the rows, and why."""

from typing import Any, NamedTuple

import streamlit as st

from app.workspace.components.plain import plain
from app.workspace.strings import raw, t
from core.errors import Invalid
from tuning.data.checkup import Checkup
from tuning.knobs import derive, reasons
from tuning.request import Asked, params_of, settings_of

_WITH_RANK = ("lora", "dora")


class _Field(NamedTuple):
    """A knob: its bounds and how its number is written."""

    low: float
    high: float
    format: str | None = None


_KNOBS: dict[str, _Field] = {
    "learning_rate": _Field(1e-8, 1.0, "%.6g"), "epochs": _Field(0.01, 1000.0, "%.6g"),
    "steps": _Field(1, 10_000_000), "batch": _Field(1, 65_536), "max_length": _Field(16, 1 << 20),
    "rank": _Field(1, 512),
}  # fmt: skip


def draw(method: str, adapter: str, found: Checkup | None, params: str) -> Asked:
    """The knobs that are set; the others show what follows from the rows. Raises Invalid.

    `params` are lines of settings that have no field here.
    """
    usual = settings_of(method, adapter, {})
    derived: dict[str, Any] = {}
    why: dict[str, str] = {}
    if found is not None and found.learned:
        sizes = (found.learned, [found.tokens.both.most], usual.method, usual.adapter, usual.knobs)
        derived = derive(*sizes).model_dump()
        why = {one.knob: raw(f"tuning.why_{one.code}", **_written(one.figures))
               for one in reasons(*sizes)}  # fmt: skip
    names = [name for name in _KNOBS if name != "rank" or adapter in _WITH_RANK]
    derived["rank"] = usual.adapter.model_dump().get("rank")
    given: dict[str, Any] = {}
    with st.expander(t("tuning.knobs")):
        columns = st.columns(2, wrap=False)
        for place, name in enumerate(names):
            value = _knob(columns[place % 2], name, derived.get(name), why.get(name))
            if value is not None:
                given[name] = value
    if "steps" in given and "epochs" in given:
        raise Invalid(raw("tuning.steps_or_epochs"))
    rest = params_of(params)
    twice = sorted(given.keys() & rest.keys())
    if twice:
        raise Invalid(raw("tuning.set_twice", name=twice[0]))
    return settings_of(method, adapter, {**given, **rest})


def _knob(column: Any, name: str, derived: float | None, why: str | None) -> float | None:
    field = _KNOBS[name]
    return column.number_input(
        t(f"tuning.knob_{name}"), field.low, field.high, None, format=field.format,
        placeholder="" if derived is None else f"{derived:g}", key=f"tuning_knob_{name}",
        help=None if why is None else plain(why),
    )  # fmt: skip


def _written(figures: Any) -> dict[str, str]:
    return {
        name: f"{value:,}" if isinstance(value, int) else f"{value:g}"
        for name, value in figures.items()
    }
