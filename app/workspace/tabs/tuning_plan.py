"""What a training will do, before it is started: rows, leaks, bad rows, memory, time."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from app.server.row_checks import RowCheck
from app.workspace.components import access, numbers, row_figures, tuning, url
from app.workspace.strings import raw, t
from connectors.backends import gpus
from connectors.backends.estimate import Config
from connectors.backends.formats import check_model
from connectors.backends.gpus import CPU, Place
from core.errors import Invalid
from evalsets.datasets.service import DatasetPublic
from prompts.chat_template import check_chat_template
from tuning.bases import path_of
from tuning.data.checkup import Checkup
from tuning.data.loading import MOST_BAD
from tuning.forecast import memory_of, seconds_for, speed_of
from tuning.knobs import derive, steps_of
from tuning.methods import Knobs
from tuning.request import Asked

_GIB = 1 << 30


class Planned(NamedTuple):
    """It may be started; `skip_bad` is the person's word to go on without bad rows."""

    skip_bad: bool


def draw(
    version: DatasetPublic, base: str, bases: Sequence[str], asked: Asked, check: RowCheck
) -> Planned | None:
    """What will happen; None where it may not be started. Raises Invalid for a base that is none.

    `bases` are those that were offered, besides which only paths are taken.
    """
    if base not in bases and "/" not in base:
        raise Invalid(raw("tuning.no_such_base", name=base[:200]))
    config = _config(base)
    if check.lives:
        st.caption(t("training.checking"))
        return None
    if check.found is None:
        raise Invalid(check.error or raw("tuning.no_rows"))
    found = check.found
    if not found.learned:
        st.error(t("tuning.nothing_to_learn"), icon=":material/error:")
        return None
    _what(found, base, asked, config)
    return _may(version, found)


def _what(found: Checkup, base: str, asked: Asked, config: Config) -> None:
    both = found.tokens.both
    knobs = derive(found.learned, [both.most], asked.method, asked.adapter, asked.knobs)
    with st.container(border=True, gap=None, key="tuning_foot"):
        st.text(raw(
            "tuning.plan_rows", n=numbers.count(found.learned), held=numbers.count(found.held_out)
        ))  # fmt: skip
        st.text(raw(
            "tuning.plan_tokens", n=numbers.short_count(both.total), most=numbers.count(both.most)
        ))  # fmt: skip
        if not found.leaks:
            st.text(raw("training.no_leaks"))
        steps = numbers.count(steps_of(found.learned, knobs))
        st.text(raw("tuning.plan_steps", n=steps, batch=knobs.batch))
        st.text(_memory(config, asked, knobs))
        st.text(_time(found, base, asked, knobs))


def _may(version: DatasetPublic, found: Checkup) -> Planned | None:
    if found.leaks:
        row_figures.leaks(found.leaks)
        url.link(
            "datasets", t("tuning.without_leaks"), ":material/dataset:", id=version.name,
            tab="training", do="training",
        )  # fmt: skip
        return None
    if not found.bad:
        return Planned(False)
    row_figures.bad_rows(found.bad)
    if len(found.bad) > MOST_BAD * version.cases:
        st.caption(t("tuning.too_many_bad", share=numbers.percent(MOST_BAD)))
        return None
    without = st.checkbox(
        t("tuning.skip_bad", n=numbers.count(len(found.bad))), key=f"tuning_skip_{version.ref}"
    )
    return Planned(True) if without else None


def _memory(config: Config, asked: Asked, knobs: Knobs) -> str:
    place = _places()[0]
    need = memory_of(config, asked.method, asked.adapter, knobs, on_gpu=place.id != CPU)
    code = "tuning.plan_memory" if need.total <= place.free else "tuning.plan_too_much"
    return raw(code, need=_gib(need.total), free=_gib(place.free), name=place.name)


def _time(found: Checkup, base: str, asked: Asked, knobs: Knobs) -> str:
    with access.reading() as session:
        speed = speed_of(session, base, asked.method, asked.adapter)
    if speed is None:
        return raw("tuning.plan_time_unknown")
    seconds = seconds_for(found.learned, found.tokens.both.total, knobs, speed)
    return raw("tuning.plan_time", span=tuning.about(seconds))


def _gib(value: int) -> str:
    return f"{value / _GIB:.1f} GiB"


@st.cache_data(ttl=5, show_spinner=False)
def _places() -> list[Place]:
    return gpus.places()


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def _config(base: str) -> Config:
    return check_model(path_of(access.database(), base), check_chat_template).config
