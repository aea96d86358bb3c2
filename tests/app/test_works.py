"""Work in threads that a page starts and looks at."""

import threading

from app.server.works import Work, Works
from core.errors import Invalid


def test_what_is_under_way_is_not_begun_again() -> None:
    works, free, begun = Works[str, Work]("{}"), threading.Event(), []

    def work(made: Work) -> None:
        begun.append(made)
        free.wait(10)

    first = works.begin("a", Work(), work)
    assert works.begin("a", Work(), work) is first
    other = works.begin("b", Work(), work)
    free.set()
    assert first.done.wait(10)
    assert other.done.wait(10)
    assert works.begin("a", Work(), work) is not first
    assert len(begun) <= 3


def test_what_goes_wrong_is_told_and_over() -> None:
    works = Works[str, Work]("It broke off ({}). Try again.")

    def refused(_: Work) -> None:
        raise Invalid("There are no rows. Add some.")

    def broken(_: Work) -> None:
        raise ValueError("odd")

    for work, told in (
        (refused, "There are no rows. Add some."),
        (broken, "It broke off (ValueError: odd). Try again."),
    ):
        made = works.begin("a", Work(), work)
        assert made.done.wait(10)
        assert (made.lives, made.error) == (False, told)
    works.forget("a")
    assert works.find("a") is None


def test_old_work_is_forgotten_but_never_what_lives() -> None:
    works, free = Works[int, Work]("{}"), threading.Event()
    lives = works.begin(0, Work(), lambda _: free.wait(10) and None)
    for key in range(1, 60):
        assert works.begin(key, Work(), lambda _: None).done.wait(10)
    assert works.find(0) is lives
    assert works.find(1) is None
    assert works.find(59) is not None
    free.set()
