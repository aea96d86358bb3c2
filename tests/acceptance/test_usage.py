"""Exit statuses and sentences: 1 with a remedy, 2 for a wrong usage, never a trace."""

from pathlib import Path

import pytest

from tests.support.forked import Forking
from tests.support.shell import Shell


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",), ("prompt", "show"), ("--as", "x\ny", "model", "list"), ("--as", "", "model", "list"),
        ("run", "start", "--prompt", "a", "--model", "b", "--dataset", "c", "--repeats", "0"),
        ("run", "start", "--prompt", "a", "--model", "b", "--dataset", "c", "--gate", "errors==0"),
        ("run", "export", "x", "--format", "pdf"), ("up", "--port", "99999"), ("verdict", "x", "--resolution", "5"),
        ("prompt", "render", "ask", "--var", "x"), ("model", "add", "x"), ("kb", "show"), ("kb", "search", "x"), ("audit", "verify"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    found = shell.run(*arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert "Usage:" in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("prompt", "show", "none"), ("prompt", "show", f"ask@{'9' * 40}"), ("dataset", "show", f"cases@{'9' * 40}"),
        ("run", "list", "--status", "foo"), ("run", "list", "--before", "nope"),
        ("run", "show", "none"), ("run", "pause", "none"), ("run", "resume", "none"), ("run", "retry", "none"),
        ("run", "cancel", "none"), ("run", "export", "none", "--format", "html"), ("verdict", "none"),
        ("label", "export", "none"), ("model", "test", "none"), ("model", "remove", "echo"), ("user", "link", "none"),
        ("restore", "none"), ("backup", "/nonexistent/folder/file"), ("prompt", "push", "none.txt"),
        ("run", "start", "--prompt", "ask", "--model", "echo", "--dataset", f"cases@{'9' * 40}"),
        ("model", "add", "x", "--base-url", "http://169.254.169.254/v1", "--model", "x"),
        ("model", "add", "x", "--base-url", "ftp://localhost/v1", "--model", "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence_with_a_remedy(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    said = shell.error(*arguments)
    assert said.endswith(".\n")
    assert "Traceback" not in said


def test_a_metadata_address_is_never_reached(shell: Shell) -> None:
    asked = ("--base-url", "http://169.254.169.254/v1", "--model", "x")
    assert "metadata" in shell.error("model", "add", "x", *asked)


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path, forking: Forking) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        assert "--data-dir" in Shell(folder, forking, tmp_path).error("model", "list")
