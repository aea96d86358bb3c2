"""Both languages say everything, with the same values in it, and nothing is asked for in vain."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.telling.words import sayer
from app.workspace.strings import LANGUAGES, table

APP = Path(__file__).parents[2] / "app"
SOURCES = ("workspace", "telling", "report")
PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
KEY = re.compile(r"[a-z_]+\.[a-z_0-9]+")
NO_KEY = {"prompt.try", "label.text"}  # kinds of drafts
FORBIDDEN = {
    "en": re.compile(r"\b(please|sorry|oops|successfully)\b|!", re.IGNORECASE),
    "zh": re.compile(r"请(?!求)|您|亲|！"),
}


def asked() -> Iterator[tuple[str, bool]]:
    """Keys in the sources: whole ones, and patterns with `*` for what is filled in."""
    for path in (path for name in SOURCES for path in (APP / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if KEY.fullmatch(node.value) and not node.value.endswith(
                    (".py", ".png", ".js", ".css")
                ):
                    yield node.value, False
            elif isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "*" for v in node.values]
                text = "".join(map(str, parts))
                if re.fullmatch(r"[a-z]+\.[a-z_*]+", text) and "*" in text:
                    yield text, True


def prefixes() -> set[str]:
    return {key.split(".")[0] for key in table("en")}


def test_languages_have_the_same_keys():
    assert table("en").keys() == table("zh").keys()


@pytest.mark.parametrize("key", sorted(table("en")))
def test_placeholders_are_the_same(key: str):
    texts = [table(language)[key] for language in LANGUAGES]
    assert len({tuple(sorted(PLACEHOLDER.findall(text))) for text in texts}) == 1


def test_every_key_asked_for_is_there():
    known = table("en")
    whole = {key for key, pattern in asked() if not pattern and key.split(".")[0] in prefixes()}
    assert sorted(key for key in whole - NO_KEY if key not in known and not key.endswith("_")) == []
    for key, pattern in asked():
        if pattern and key.split(".")[0] in prefixes():
            wanted = re.compile(re.escape(key).replace(r"\*", "[a-z_]+"))
            assert any(wanted.fullmatch(one) for one in known), key


def test_every_key_is_asked_for():
    whole = {key for key, pattern in asked() if not pattern}
    patterns = [
        re.compile(re.escape(key).replace(r"\*", ".+")) for key, pattern in asked() if pattern
    ]
    unused = [
        key
        for key in table("en")
        if key not in whole and not any(pattern.fullmatch(key) for pattern in patterns)
    ]
    assert unused == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_tone(language: str):
    bad = {k: v for k, v in table(language).items() if FORBIDDEN[language].search(v)}
    assert bad == {}


def test_chinese_sets_a_space_beside_latin_and_digits():
    touching = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9%][\u4e00-\u9fff]")
    bad = {k: v for k, v in table("zh").items() if touching.search(v)}
    assert bad == {}


def test_buttons_are_short():
    """Verb and noun; a label that is cut off helps nobody."""
    buttons = {
        key
        for key in table("en")
        if re.search(r"\.(new|save|create|start|pause|resume|cancel|retry|run|stop|promote)", key)
        and "message" not in key
        and "save_on_top" not in key
        and "{" not in table("en")[key]
        and key.split(".")[1]
        not in ("saved", "new_version", "new_results", "newest", "run_dataset")
    }
    assert {k: table("en")[k] for k in buttons if len(table("en")[k]) > 24} == {}


def test_one_of_a_thing_is_not_many():
    say = sayer("en")
    assert say("review.add", n=1) == "Add 1 case"
    assert say("review.add", n="1,204") == "Add 1,204 cases"
    assert say("review.add", n=0) == "Add 0 cases"
    assert sayer("zh")("review.add", n=1) == "加入 1 个用例"
    assert "1 pair differs" in say(
        "verdict.decides_counts", n="1", candidate="b", baseline="a", ours="1", theirs="0"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_forms_of_words_belong_to_a_value(language: str):
    """`{n:one|many}` without its `{n}`, or with one form, is a slip."""
    forms = re.compile(r"\{(\w+):([^}]*)\}")
    for key, text in table(language).items():
        for name, words in forms.findall(text):
            assert name in PLACEHOLDER.findall(text), key
            assert words.count("|") == 1, key
