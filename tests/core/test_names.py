"""What names are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.names import check_alias, check_name, slug, split_ref


@pytest.mark.parametrize(
    "name", ["news", "a/b/c", "总结/新闻", "v1.2_x-y", "été", "ＡＢ", "हिन्दी/नाम", "தமிழ்"]
)
def test_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a//b",
        "/a",
        "a/",
        "a@b",
        "a|b",
        "a b",
        "..",
        "a/../b",
        "x" * 129,
        "a\x00",
        "a\n",
        "\u0301a",
    ],
)
def test_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


@pytest.mark.parametrize("alias", ["latest", "12", "a/b", "", "x y"])
def test_aliases_refused(alias: str) -> None:
    with pytest.raises(Invalid):
        check_alias(alias)


def test_an_alias_with_a_folder_is_told_how_to_be_written() -> None:
    with pytest.raises(Invalid, match="such as scene-a"):
        check_alias("scene/a")


def test_equal_looking_names_are_one() -> None:
    assert check_name("e\u0301te\u0301") == "\u00e9t\u00e9"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Basic Prompt", "Basic-Prompt"), ("a" * 127 + "/b", "a" * 127), (" /../x y/ ", "x-y"),
        ("हिन्दी का", "हिन्दी-का"), ("...", "..."), ("?!", "untitled"), ("a--b", "a--b"),
    ],
)  # fmt: skip
def test_slugs(title: str, name: str) -> None:
    assert slug(title) == name


@given(st.text(max_size=300) | st.text("a/.-\u0301 ", max_size=140))
def test_a_slug_is_a_name(title: str) -> None:
    assert check_name(slug(title))


def test_references() -> None:
    assert split_ref("news@2") == ("news", "2")
    assert split_ref("news") == ("news", "latest")
