"""In which language a text is, as far as its script and commonest words tell. Pure.

A light check: script decides for most languages, and of those in Latin letters six are told apart
by words that every sentence has. What cannot be told counts as any language of its script.
"""

import re
from typing import NamedTuple

import regex

_SCRIPTS = {
    "zh": "Han", "ja": "Kana", "ko": "Hangul", "ru": "Cyrillic", "ar": "Arabic", "el": "Greek",
    "he": "Hebrew", "hi": "Devanagari", "th": "Thai",
}  # fmt: skip
_LETTERS = {
    code: regex.compile(r"[\p{Hiragana}\p{Katakana}]" if name == "Kana" else rf"\p{{{name}}}")
    for code, name in _SCRIPTS.items()
}
_LATIN = regex.compile(r"\p{Latin}")
_ANY = regex.compile(r"\p{L}")
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = {
    "en": "the of and to in is that it for you was with on are this be have as not your i",
    "de": "der die und das ist nicht ein zu den mit sich auf für es dem eine wird sie auch ich",
    "fr": "le la les des et est une dans que pour qui pas sur vous avec au du ce il je",
    "es": "el los las que y en un una por con para es del se como no su más está yo",
    "it": "il che di e la per un non una sono con del della gli si come più è anche io",
    "pt": "o que e do da em um para com não uma os no se na por mais é você eu",
}
_COMMON = {code: frozenset(words.split()) for code, words in _WORDS.items()}
LANGUAGES = (*_WORDS, *_SCRIPTS)
# Code, names and quotations in Latin letters stand in texts of every language.
_ENOUGH = 0.3
_KANA = 0.05
_LEAST_WORDS = 5


class Language(NamedTuple):
    """Codes that a text may be in; empty where it has no letters."""

    codes: frozenset[str]


def language_of(text: str) -> Language:
    """What a text may be written in; fenced code is in no language."""
    text = _CODE.sub("", text)
    letters = len(_ANY.findall(text))
    if not letters:
        return Language(frozenset())
    kana = len(_LETTERS["ja"].findall(text)) / letters
    if kana > _KANA:
        return Language(frozenset({"ja"}))
    for code, pattern in _LETTERS.items():
        if len(pattern.findall(text)) / letters >= _ENOUGH:
            return Language(frozenset({code}))
    return Language(_latin(text) if _LATIN.search(text) else frozenset())


def _latin(text: str) -> frozenset[str]:
    words = [word.lower() for word in _WORD.findall(text)]
    hits = {code: sum(word in common for word in words) for code, common in _COMMON.items()}
    best = max(hits.values())
    if len(words) < _LEAST_WORDS or not best:
        return frozenset(_COMMON)
    return frozenset(code for code, n in hits.items() if n == best)


def is_in(text: str, languages: frozenset[str]) -> bool:
    """Whether a text may be in one of these languages; one without letters is."""
    found = language_of(text).codes
    return not found or bool(found & languages)
