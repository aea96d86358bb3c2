"""Filters on metadata: what passes, and what nobody may widen."""

import numpy as np
import pytest

from core.errors import Invalid
from rag.access import NOTHING, meta_values, passes, read_where
from rag.meta_index import MetaIndex

METAS = [
    {"dept": "hr", "year": 2026, "tags": ["a", "b"], "open": True},
    {"dept": "it", "year": 2025.0},
    {},
]


def test_values_compare_as_text():
    assert meta_values(["a", 1, None, [True]]) == ["a", "1", "true"]
    assert passes(METAS[0], {"year": ["2026"]})
    assert passes(METAS[1], {"year": ["2025"]})
    assert passes(METAS[0], {"tags": ["b"]})
    assert passes(METAS[0], {"open": ["true"]})
    assert not passes(METAS[2], {"dept": ["hr"]})


def test_all_names_must_hold_and_any_value_of_one():
    assert passes(METAS[0], {"dept": ["it", "hr"], "year": ["2026"]})
    assert not passes(METAS[0], {"dept": ["hr"], "year": ["2025"]})


def test_a_rule_is_not_widened_by_what_is_asked():
    rule, asked = {"dept": ["hr"]}, {"dept": ["it"]}
    found = MetaIndex(METAS).mask([rule, asked])
    assert found is not None
    assert not found.any()
    assert np.array_equal(MetaIndex(METAS).mask([rule, {}]), [True, False, False])
    assert MetaIndex(METAS).mask([{}, {}]) is None


def test_nothing_passes_nothing():
    found = MetaIndex([*METAS, {"": "x"}]).mask([NOTHING])
    assert found is not None
    assert not found.any()


def test_where_is_read():
    assert read_where(["a=1", "b=x=y", "a=2"]) == {"a": ["1", "2"], "b": ["x=y"]}
    with pytest.raises(Invalid, match="KEY=VALUE"):
        read_where(["a"])


def test_the_index_says_what_a_look_at_each_says():
    index = MetaIndex(METAS)
    for filters in ({"dept": ["hr"]}, {"tags": ["a", "x"]}, {"year": ["2025"], "dept": ["it"]}):
        found = index.mask([filters])
        assert found is not None
        assert found.tolist() == [passes(meta, filters) for meta in METAS]
