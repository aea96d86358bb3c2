"""Amounts, files and guesses that must not get anywhere, or hold anybody up."""

import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app.cli.files import read_file
from app.server import sign_in
from app.server.context import Context, set_context
from connectors.models import Generation, ModelSettings
from core.database import Database
from core.errors import Invalid, TooLarge
from core.users import ensure_admin, make_link_token


@pytest.mark.parametrize("price", ["-1", "-0.000001", "1e-60", "1e12", "NaN", "Infinity", "-0.1"])
def test_a_price_is_a_price(price: str) -> None:
    """A negative one would let a run spend beyond its budget, a tiny one fill a column."""
    with pytest.raises(ValidationError):
        ModelSettings(model="m", input_price=Decimal(price), output_price=Decimal(1))
    good = ModelSettings(model="m", input_price=Decimal("0.000001"), output_price=Decimal(0))
    assert good.input_price == Decimal("0.000001")


def test_an_amount_that_no_column_holds_is_refused(db: Database) -> None:
    for cost, kept in ((Decimal("1e-70"), False), (Decimal("1e-30"), True)):
        row = Generation(actor="a", model="m", request={}, cost=cost)
        if kept:
            with db.session_scope("a") as session:
                session.add(row)
        else:
            with pytest.raises(Invalid, match="64 digits"), db.session_scope("a") as session:
                session.add(row)


def test_a_file_without_an_end_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="64 MiB"):
        read_file(Path("/dev/zero"))
    with pytest.raises(Invalid, match="cannot be read"):
        read_file(tmp_path)
    (tmp_path / "x").write_bytes(b"fine")
    assert read_file(tmp_path / "x") == b"fine"


def test_guessed_links_wait_for_no_writer_and_take_no_lock(sqlite_db: Database) -> None:
    with sqlite_db.session_scope("t") as session:
        ensure_admin(session)
        token = make_link_token(session, "admin")
    set_context(Context(sqlite_db.settings, sqlite_db, None, None))  # type: ignore[arg-type]
    try:
        api = FastAPI()
        api.include_router(sign_in.router)
        client = TestClient(api)
        with sqlite_db.session_scope("t"):  # somebody writes for long
            began = time.monotonic()
            assert [client.get(f"/sign-in?token=x{n}").status_code for n in range(20)] == [401] * 20
            assert time.monotonic() - began < 3
            good = threading.Thread(
                target=client.get,
                args=(f"/sign-in?token={token}",),
                kwargs={"follow_redirects": False},
            )
            good.start()
            good.join(0.5)
            assert good.is_alive(), "the control: a good link does wait for its turn to write"
        good.join(10)
        assert not good.is_alive()
        assert client.get(f"/sign-in?token={token}").status_code == 401
    finally:
        set_context(None)
