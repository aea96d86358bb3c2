"""Knobs that nobody set follow the rows; those that were set stay."""

import pytest

from tuning.knobs import derive, reasons, seconds_of, steps_of
from tuning.methods import Dpo, Full, Ia3, Knobs, Kto, Lora, Reward, Sft


@pytest.mark.parametrize(
    ("rows", "epochs"), [(1, 25), (10, 10), (40, 3), (1000, 3), (20_000, 1), (1_000_000, 1)]
)
def test_few_rows_are_seen_often_and_many_once(rows: int, epochs: int) -> None:
    assert derive(rows, [100] * 5, Sft(), Lora(), Knobs()).epochs == epochs


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100, 5000, 100_000])
@pytest.mark.parametrize("method", [Sft(), Dpo(), Kto(), Reward()])
def test_nothing_is_left_open(rows: int, method: Sft | Dpo | Kto | Reward) -> None:
    knobs = derive(rows, [50] * rows, method, Lora(), Knobs())
    left = {name for name, value in knobs if value is None}
    assert left == {"steps", "patience"}
    assert knobs.batch is not None
    assert 1 <= knobs.batch <= min(64, max(rows, 1))
    assert all(reason.text for reason in reasons(rows, [50] * rows, method, Lora(), Knobs()))


def test_what_was_set_stays() -> None:
    given = Knobs(
        learning_rate=0.5, epochs=0.5, batch=3, max_length=77, steps=9, patience=2, seed=4
    )
    assert derive(10, [5], Sft(), Lora(), given) == given
    assert {one.code for one in reasons(10, [5], Sft(), Lora(), given)} == {"given"}


def test_the_rate_follows_adapter_and_method() -> None:
    def rate(method: Sft | Dpo, adapter: Lora | Full | Ia3) -> float:
        found = derive(100, [9], method, adapter, Knobs()).learning_rate
        assert found is not None
        return found

    assert rate(Sft(), Ia3()) > rate(Sft(), Lora()) > rate(Sft(), Full()) > rate(Dpo(), Full())
    assert rate(Dpo(), Lora()) == 1e-5
    assert rate(Dpo(), Full()) == 1e-6


def test_the_length_holds_the_longest_row_up_to_a_limit() -> None:
    assert derive(2, [10, 65], Sft(), Lora(), Knobs()).max_length == 128
    long = [50_000, 9000, 3]
    assert derive(3, long, Sft(), Lora(), Knobs()).max_length == 8192
    (reason,) = (r for r in reasons(3, long, Sft(), Lora(), Knobs()) if r.knob == "max_length")
    assert reason.text.startswith("2 of 3 rows are longer")


def test_steps_and_seconds() -> None:
    knobs = derive(10, [100] * 10, Sft(), Lora(), Knobs(epochs=2, batch=4))
    assert steps_of(10, knobs) == 6
    assert seconds_of([100] * 10, knobs, 1000.0) == pytest.approx(2.0)
    assert steps_of(10, knobs.model_copy(update={"steps": 3})) == 3
