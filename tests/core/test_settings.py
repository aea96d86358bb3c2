"""Settings that a deployment gives: a password in a file, a public address, what children get."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import Invalid, Unavailable
from core.settings import Settings

URL = "postgresql://stone@db:5432/stone?sslmode=require"


def of(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("p@ss:w/ord?#\r\n")
    return path


def test_the_password_of_a_file_gets_into_the_address(password: Path):
    found = of(database_url=URL, database_password_file=password)
    assert found.url == (
        "postgresql+psycopg://stone:p%40ss%3Aw%2Ford%3F%23@db:5432/stone?sslmode=require"
    )
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize("url", ["postgresql://stone:known@db/stone", "postgresql://db/stone"])
def test_a_password_file_needs_a_user_without_a_password(password: Path, url: str):
    with pytest.raises(Invalid, match="PROMPTSTONE_DATABASE_PASSWORD_FILE"):
        _ = of(database_url=url, database_password_file=password).url


def test_a_missing_password_file_is_told(tmp_path: Path):
    with pytest.raises(Unavailable, match="cannot be read"):
        _ = of(database_url=URL, database_password_file=tmp_path / "none").url


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://prompts.example.com/", "https://prompts.example.com"),
        ("http://h:8080", "http://h:8080"),
    ],
)
def test_a_public_address_is_scheme_and_host(given: str, kept: str):
    assert of(public_url=given).public_url == kept


@pytest.mark.parametrize(
    "given", ["prompts.example.com", "https://h/path", "ftp://h", "https://u@h"]
)
def test_other_public_addresses_are_refused(given: str):
    with pytest.raises(ValidationError, match=r"https://prompts\.example\.com"):
        of(public_url=given)


def test_a_child_gets_what_was_given(
    tmp_path: Path, password: Path, monkeypatch: pytest.MonkeyPatch
):
    given = of(
        data_dir=tmp_path, database_url=URL, database_password_file=password,
        allowed_hosts=("a.example", "b.example"), chroma_from=7,
    )  # fmt: skip
    for name, value in given.as_environment().items():
        monkeypatch.setenv(name, value)
    child = of()
    assert child.allowed_hosts == given.allowed_hosts
    assert (child.data, child.url, child.chroma_from) == (given.data, given.url, 7)
    assert child.key_path == tmp_path / "secret.key"
    assert "PROMPTSTONE_PUBLIC_URL" not in given.as_environment()
