"""What the model says now: a few prompts, its answers at each evaluation, the newest first."""

import streamlit as st

from app.workspace.components import access, numbers, output
from app.workspace.components.plain import visible
from app.workspace.strings import raw, t
from tuning.jobs import JobPublic, get
from tuning.samples import Sample, Saying, expected_of, samples_of


def draw(job: JobPublic) -> None:
    """A frame a sample."""
    with access.reading() as session:
        found = samples_of(session, job)
    if not found:
        st.caption(t("tuning.no_samples"))
        return
    expected = _expected(job.id)
    for place, sample in enumerate(found):
        with st.container(border=True, key=f"tuning_sample_{place}", gap="xsmall"):
            _one(place, sample, expected[place])


def _one(place: int, sample: Sample, expected: str | None) -> None:
    st.subheader(t("tuning.sample", n=place + 1), anchor=False)
    for turn in sample.prompt:
        st.caption(t(f"training.role_{turn['role']}"))
        st.text(visible(turn["content"]))
    if expected is not None:
        st.caption(t("tuning.expected"))
        st.text(visible(expected))
    if not sample.said:
        st.caption(t("tuning.not_said"))
    for said in sample.said[:1]:
        _said(place, said)
    if sample.said[1:]:
        earlier = numbers.count(len(sample.said) - 1)
        with st.expander(t("tuning.said_earlier", n=earlier), key=f"tuning_earlier_{place}"):
            for said in sample.said[1:]:
                _said(place, said)


def _said(place: int, said: Saying) -> None:
    st.caption(t("tuning.said_at", step=numbers.count(said.step)))
    output.output(said.text, key=f"tuning_said_{place}_{said.step}", label=raw("tuning.said"))


@st.cache_data(ttl=600, max_entries=50, show_spinner=False)
def _expected(job_id: str) -> list[str | None]:
    data = access.database().settings.data
    with access.reading() as session:
        return expected_of(data, get(session, data, job_id))
