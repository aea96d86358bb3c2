"""Names that the editor offers are those that the sandbox knows."""

from prompts.completion import FILTERS, TAGS, names_in
from prompts.sandbox import ENV


def test_the_filters_are_those_of_the_sandbox():
    assert set(FILTERS) == set(ENV.filters)


def test_a_tag_that_is_offered_belongs_to_the_language():
    for tag in TAGS:
        if tag.startswith("end"):
            assert tag.removeprefix("end") in TAGS


def test_names_are_read_without_a_valid_template():
    texts = (
        "{{ topic }} {% for item in items|sort(attribute='when') %}{{ item.name | upper }}",
        "{% set tone = 'dry' %}{{ 天气 }} {{ f(a=b) }} {{ topic }} {{ 'quoted' }} {{ open",
    )
    assert names_in(texts) == ("topic", "item", "items", "tone", "天气", "f", "b")


def test_a_long_text_is_read_in_no_time():
    assert names_in(["{{" * 200_000, "{%" * 200_000]) == ()
