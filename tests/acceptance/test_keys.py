"""Keys by commands alone: made and shown once, listed without the key, revoked."""

import json
import re

import pytest

from tests.support.shell import Shell


@pytest.fixture(scope="module")
def apps(shell: Shell) -> Shell:
    for name in ("keyed", "other"):
        shell("app", "create", name, "--prompt", "ask", "--model", "echo")
    return shell


def listed(shell: Shell, name: str) -> dict:
    return next(key for key in shell.json("key", "list")["keys"] if key["name"] == name)


def test_a_key_is_shown_once_and_listed_by_its_prefix(apps: Shell) -> None:
    made = apps.json(
        "key", "create", "web", "--app", "keyed", "--app", "other", "--rpm", 60, "--tpm", 9000,
        "--streams", 3, "--budget-day", "1.50", "--expires", "2099-01-31",
    )  # fmt: skip
    assert list(made) == ["name", "key", "apps", "expires"]
    assert re.fullmatch(r"ps_[\w-]{43}", made["key"])
    assert (made["apps"], made["expires"][:19]) == (["keyed", "other"], "2099-01-31T23:59:59")
    row = listed(apps, "web")
    assert row["prefix"] == made["key"][:8]
    assert (row["rpm"], row["tpm"], row["streams"]) == (60, 9000, 3)
    assert (row["budget_day"], row["used_today_usd"], row["last_used"]) == ("1.50", "0", None)
    for command in (("key", "list"), ("key", "list", "--json"), ("audit", "list", "--json")):
        said = apps(*command)
        assert made["key"] not in said
        assert "web" in said
    plain = apps("key", "create", "plain", "--app", "keyed").strip()
    assert re.fullmatch(r"ps_[\w-]{43}", plain)
    assert apps.json("key", "create", "figures", "--scope", "metrics")["apps"] == []


def test_a_revoked_key_stays_in_the_list_and_its_name_taken(apps: Shell) -> None:
    apps("key", "create", "gone", "--app", "keyed")
    assert apps.json("key", "revoke", "gone") == {"name": "gone", "revoked": True}
    assert apps.json("key", "revoke", "gone")["revoked"] is False
    assert listed(apps, "gone")["revoked"]
    assert "already" in apps.error("key", "create", "gone", "--app", "keyed")


def test_a_date_that_has_passed_is_said(apps: Shell) -> None:
    found = apps.run("key", "create", "late", "--app", "keyed", "--expires", "2020-01-01", "--json")
    assert json.loads(found.stdout)["expires"].startswith("2020-01-01")
    assert "expired already" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [((), 2), (("--scope", "metrics", "--app", "keyed"), 2), (("--scope", "admin"), 2),
     (("--app", "keyed", "--rpm", "0"), 2), (("--app", "keyed", "--budget-day", "x"), 2),
     (("--app", "keyed", "--budget-day", "-1"), 2), (("--app", "keyed", "--expires", "soon"), 2),
     (("--app", "nowhere"), 1), (("--app", "keyed", "--person", "admin"), 1),
     (("--app", "keyed", "--person", "user:ghost"), 1)],
)  # fmt: skip
def test_what_cannot_be_a_key_is_said(apps: Shell, arguments: tuple, status: int) -> None:
    said = apps.error("key", "create", "never", *arguments, status=status)
    assert "Traceback" not in said
    assert "never" not in {key["name"] for key in apps.json("key", "list")["keys"]}
