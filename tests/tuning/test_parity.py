"""A server's answers held against the trainer's, token by token."""

import pytest

from tuning.parity import Served, compare
from tuning.spec import Answered, Reference

END = 2


def reference(*answers: tuple[int, ...]) -> Reference:
    found = tuple(
        Answered(messages=[], prompt_ids=(1, 5, 6), answer_ids=one, text=f"text {one}")
        for one in answers
    )
    return Reference(end_ids=(END,), answers=found)


def served(*answers: tuple[int, ...], prompt: tuple[int, ...] = (1, 5, 6)) -> list[Served]:
    return [Served(prompt, one, "served") for one in answers]


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ((7, 8, END), (7, 8, END)),
        ((7, 8, END), (7, 8)),  # some servers leave the end out
        ((END,), ()),
        ((7, 8), (7, 8, 9)),  # the trainer was cut short
    ],
)
def test_the_same_answer(own: tuple[int, ...], other: tuple[int, ...]) -> None:
    found = compare(reference(own), served(other))
    assert (found.prompts, found.token_ids_equal, found.answers_equal) == (1, 1, 1)
    assert found.differences == ()


@pytest.mark.parametrize(
    ("own", "other", "token"),
    [
        ((7, 8, END), (7, 9, END), 1),
        ((7, 8, END), (7, 8, 9), 2),  # it goes on where the trainer ended
        ((7, 8), (7, END), 1),  # it ends where the trainer goes on
        ((7, 8, END), (), 0),
    ],
)
def test_the_first_difference_is_shown(
    own: tuple[int, ...], other: tuple[int, ...], token: int
) -> None:
    found = compare(reference((4, END), own), served((4, END), other))
    assert (found.prompts, found.token_ids_equal, found.answers_equal) == (2, 2, 1)
    (difference,) = found.differences
    assert (difference.prompt, difference.where, difference.token) == (1, "answer", token)
    assert (difference.trainer, difference.server) == (f"text {own}", "served")


def test_another_chat_template_shows_in_the_prompt() -> None:
    found = compare(reference((7, END)), served((7, END), prompt=(1, 5, 9)))
    assert (found.token_ids_equal, found.answers_equal) == (0, 1)
    assert (found.differences[0].where, found.differences[0].token) == ("prompt", 2)


def test_few_differences_are_kept_of_many() -> None:
    found = compare(reference(*[(7, END)] * 20), served(*[(8, END)] * 20))
    assert (found.prompts, found.answers_equal, len(found.differences)) == (20, 0, 5)


@pytest.mark.parametrize(("margin", "near"), [(0.1, 1), (0.5, 0)])
def test_an_answer_that_parts_at_a_near_tie_is_counted_as_one(margin: float, near: int) -> None:
    own = Answered(
        messages=[], prompt_ids=(1,), answer_ids=(7, 8, END), text="", margins=(4.0, margin, 9.0)
    )
    found = compare(Reference(end_ids=(END,), answers=(own,)), served((7, 9, END), prompt=(1,)))
    assert (found.answers_equal, found.near_ties) == (0, near)
    assert found.differences[0].margin == margin
    equal = compare(Reference(end_ids=(END,), answers=(own,)), served((7, 8, END), prompt=(1,)))
    assert (equal.answers_equal, equal.near_ties) == (1, 0)
