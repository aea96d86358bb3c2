"""Names and texts stay what they are, whatever markup they spell."""

import re

import pytest

from app.workspace.components.plain import plain, preview, visible


@pytest.mark.parametrize(
    "text",
    ["news@2 | demo", "a*b*c", "![x](http://evil)", ":material/home:", "$x^2$", "`code`", "1. x",
     "# h", "| a | b |", "<b>x</b>", "~~x~~", ":red[x]", "a_b_c", "\\*"],
)  # fmt: skip
def test_unescaping_gives_the_text_back(text: str):
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(text)).replace("\u2060", "") == text


def test_every_ascii_sign_is_escaped():
    signs = [chr(code) for code in range(33, 127) if not chr(code).isalnum()]
    assert all(plain(sign) == "\\" + sign for sign in signs)


def test_autolinks_are_broken():
    assert "https://" not in plain("see https://evil.example/x").replace("\\", "")
    assert "www.evil" not in plain("www.evil.example").replace("\\", "")


def test_one_line():
    assert plain("a\nb\t c") == "a b c"


def test_hidden_characters_are_shown():
    assert visible("a\x1b[31mb\u202ec\x00d\x7f") == "a␛[31mb⟨U+202E⟩c␀d␡"
    assert visible("tab\tline\n") == "tab\tline\n"


def test_preview_is_short_and_on_one_line():
    assert preview("a\n" * 300, 20) == "a a a a a a a a a a…"[:20]
    assert len(preview("x" * 500)) == 200
    assert preview(None) == ""
