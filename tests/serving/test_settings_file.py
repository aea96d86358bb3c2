"""An app's settings in a file: what stands there is changed, the rest stays."""

import pytest

from core.errors import Invalid, TooLarge
from serving.guards import PiiGuard
from serving.settings import AppSettings, Operations
from serving.settings_file import put_over, read

NOW = AppSettings(kind="chat", prompt="faq@1", model="echo", params={"seed": 1}, repair=False)
RUN = Operations(retention_days=7)
FILE = b"""
guards:
  - kind: pii
    where: after
pinned:
  - question: When do you open?
    answer: At nine.
operations:
  log_content: false
"""


def test_what_is_named_is_replaced_and_the_rest_stays() -> None:
    found = put_over(NOW, RUN, read(FILE))
    assert found.settings is not None
    assert found.settings.guards == (PiiGuard(where="after"),)
    assert found.settings.pinned[0].answer == "At nine."
    assert found.settings.model_copy(update={"guards": (), "pinned": ()}) == NOW
    assert found.operations == RUN.model_copy(update={"log_content": False})


def test_what_is_not_named_is_not_touched() -> None:
    assert put_over(NOW, RUN, read(b"operations: {retention_days: 3}")).settings is None
    found = put_over(NOW, RUN, read(b'{"history": "server", "fallbacks": ["demo"]}'))
    assert found.operations is None
    assert found.settings is not None
    assert (found.settings.history, found.settings.fallbacks) == ("server", ("demo",))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"colour: red", "no field 'colour'.*operations with its own fields, and kind"),
        (b"operations: {colour: red}", "under operations log_content"),
        (b"operations: 7", "no mapping"),
        (b"operations: {retention_days: 0}", "operations are wrong: retention_days"),
        (b"guards: [{kind: pii, action: burn}]", r"guards\.0\.pii\.action"),
        (b"guards: [", "Line 1 of the settings file"),
        (b"- a", "no mapping"),
        (b"a: &x 1\nb: *x", "aliases are refused"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_fault_is_named(data: bytes, match: str) -> None:
    with pytest.raises(Invalid, match=match):
        put_over(NOW, RUN, read(data))


def test_a_large_file_is_refused() -> None:
    with pytest.raises(TooLarge):
        read(b"#" * 300_000)
