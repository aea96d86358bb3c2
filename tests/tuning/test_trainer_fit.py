"""How many rows go through a model at once, by its shape and the memory that is free."""

from tuning.trainer.fit import Pass, Shape, bytes_per_token, plan

# Llama 3.1 8B.
LARGE = Shape(layers=32, hidden=4096, inner=14_336, full=False)
GIB = 1 << 30


def test_an_update_has_the_rows_that_were_asked_for() -> None:
    for batch in (1, 3, 10, 16, 64):
        for tokens in (30, 300, 3000):
            for free in (None, 2 * GIB, 100 * GIB):
                found = plan(batch, tokens, LARGE, free)
                assert batch <= found.rows * found.accumulate < batch + found.accumulate


def test_it_recomputes_only_where_a_row_does_not_fit() -> None:
    per_row = bytes_per_token(LARGE) * 1000
    assert plan(8, 1000, LARGE, 2 * per_row) == Pass(1, 8, False)
    assert plan(8, 1000, LARGE, 6 * per_row) == Pass(4, 2, False)
    tight = plan(8, 1000, LARGE, per_row)
    assert tight.checkpointing
    assert tight.rows > 1
    assert not plan(8, 1000, LARGE, None).checkpointing


def test_processes_share_the_rows() -> None:
    assert plan(16, 100, LARGE, 100 * GIB, world=4) == Pass(4, 1, False)
    assert plan(2, 100, LARGE, 100 * GIB, world=4, fewest=2).rows == 2


def test_what_is_kept_of_a_token_is_about_right() -> None:
    """About 13 MB of an 8B model in 16 bits with adapters."""
    assert 9e6 < bytes_per_token(LARGE) < 16e6
    assert bytes_per_token(LARGE._replace(full=True)) < bytes_per_token(LARGE)
