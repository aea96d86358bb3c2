"""Grids: order, count before making, samples without enumeration."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid, TooLarge
from evalsets.datasets.grid import (
    Axis,
    combination,
    combinations,
    count_combinations,
    describe_grid,
    grid_cases,
    parse_axis,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=x,y", ("x", "y")),
        ("a= x , y ", ("x", "y")),
        ('a="Paris, France",Rome', ("Paris, France", "Rome")),
        ('a="say ""hi""",""', ('say "hi"', "")),
        ("a=1,2.5,-3", (1, 2.5, -3)),
        ("a=1.10,007,1e5,NaN", ("1.10", "007", "1e5", "NaN")),
        ("a=true,false,True", (True, False, "True")),
        ('a="1","true"', ("1", "true")),
        ("a=k=v", ("k=v",)),
        ("a=产品经理,设计师", ("产品经理", "设计师")),
        ('a="two\nlines"', ("two\nlines",)),
        ("a=123456789012345678901234567890", ("123456789012345678901234567890",)),
    ],
)  # fmt: skip
def test_parse_axis(text: str, values: tuple[object, ...]) -> None:
    axis = parse_axis(text)
    assert axis == Axis("a", values)  # type: ignore[arg-type]
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize("text", ["a", "=x", "a=", "a=x,", "a=x,,y", 'a="x', 'a="x"y', 'a="x"" ,y'])
def test_bad_axes(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_axis(text)
    assert caught.value.message.endswith(".")


def test_order_is_that_of_nested_loops() -> None:
    axes = [Axis("a", (1, 2)), Axis("b", ("x", "y", "z"))]
    want = [{"a": a, "b": b} for a, b in itertools.product((1, 2), "xyz")]
    assert list(combinations(axes)) == want
    assert count_combinations(axes) == 6
    assert [case.inputs for case in grid_cases(axes).cases] == want
    assert len({case.case_id for case in grid_cases(axes).cases}) == 6


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_mixed_radix_is_a_bijection(sizes: list[int]) -> None:
    axes = [Axis(f"v{n}", tuple(range(size))) for n, size in enumerate(sizes)]
    total = count_combinations(axes)
    assert len({tuple(combination(axes, index).values()) for index in range(total)}) == total


def test_a_sample_is_seeded_without_replacement_and_does_not_enumerate() -> None:
    axes = [Axis(f"v{n}", tuple(range(50))) for n in range(10)]
    start = time.process_time()
    one = list(combinations(axes, 1000, seed=7))
    assert time.process_time() - start < 1
    assert one == list(combinations(axes, 1000, seed=7))
    assert one != list(combinations(axes, 1000, seed=8))
    assert len({tuple(row.values()) for row in one}) == 1000


def test_a_full_sample_is_everything_in_order() -> None:
    axes = [Axis("a", (1, 2)), Axis("b", (1, 2, 3))]
    assert list(combinations(axes, 6, seed=3)) == list(combinations(axes))


def test_a_sample_is_uniform() -> None:
    axes = [Axis("a", (0, 1)), Axis("b", (0, 1))]
    counts = [0] * 4
    for seed in range(2000):
        for row in combinations(axes, 1, seed=seed):
            counts[int(str(row["a"])) * 2 + int(str(row["b"]))] += 1
    assert all(400 < count < 600 for count in counts)


def test_limits_and_contradictions() -> None:
    big = [Axis(f"v{n}", tuple(range(101))) for n in range(3)]
    with pytest.raises(TooLarge, match="1,030,301"):
        combinations(big)
    assert len(list(combinations(big, 10))) == 10
    with pytest.raises(TooLarge, match="2\\^62"):
        combinations([Axis(f"v{n}", tuple(range(100))) for n in range(10)], 5)
    for sample in (0, -1, 7):
        with pytest.raises(Invalid, match="sample"):
            combinations([Axis("a", (1, 2)), Axis("b", (1, 2, 3))], sample)
    for axes in (
        [],
        [Axis("a", ())],
        [Axis("a", (1, 1))],
        [Axis("a", (1,)), Axis("a", (2,))],
        [Axis("split", ("dev",))],
    ):
        with pytest.raises(Invalid):
            count_combinations(axes)
    assert count_combinations([Axis("a", (1, "1", True))]) == 3


def test_description() -> None:
    axes = [Axis("tone", ("a", "b")), Axis("n", (1,))]
    assert describe_grid(axes, 2, 9) == "grid tone (2) × n (1), sample 2, seed 9"
