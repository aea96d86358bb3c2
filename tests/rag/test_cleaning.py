"""Cleaning: what each step takes and leaves, pages carried along, linear time."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.cleaning import normalise
from rag.cleaning.boilerplate import boilerplate
from rag.cleaning.changes import Change, apart, apply
from rag.cleaning.clean import clean
from rag.cleaning.furniture import furniture
from rag.cleaning.settings import CleaningSettings
from tests.support import cpu
from tests.support.cpu import assert_linear
from tests.support.depth import DEEP

OFF = CleaningSettings(normalise=False, furniture=False, boilerplate=False)
NORMALISE = OFF.model_copy(update={"normalise": True})


def _normalised(text: str) -> str:
    return clean(text, (), NORMALISE).text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("\ufeffa\x00b\x07c\ud800", "abc"),
        ("e\u0301 A\u030a", "é Å"),
        ("zero\u200bwidth so\u00adft \u202eodd\u202c", "zerowidth soft odd"),
        ("infor\u00ad\n  mation", "information"),
        ("infor-\nmation is", "information is"),
        ("Straßen-\nbahn", "Straßenbahn"),
        ("a well-\nknown well-known thing", "a well-known well-known thing"),
        ("chat-\noptimized and chat, optimized", "chat-optimized and chat, optimized"),
        ("pages 12-\n14 and X-\nRay and e-\nmail", "pages 12-\n14 and X-\nRay and e-\nmail"),
        ("oﬃcial ﬂag", "official flag"),
        ("⼀个⽤户", "一个用户"),
        ("ﻣﺮﺣﺒﺎ", "مرحبا"),
        ("a  b\u00a0c \t d   \n\n\n\n  e", "a b c d\n\n  e"),
        ("a\t\tb", "a\t\tb"),
        ("    x  =  1", "    x  =  1"),
        ("\n\n  first\n", "  first\n"),
    ],
)
def test_normalising(text: str, wanted: str) -> None:
    assert _normalised(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم کتاب\u200cها",
        "👨\u200d👩\u200d👧 क्\u200dष",
        "ภาษา\u200bไทย",
        "你好，世界！“引用”（注）ＡＢＣ１２３：；",
        "　　段落开头",
        "```py\nx  =  1\u200b\n\n\n\ny-\nz\n```",
        "| a | b |\n| - | - |\n\n- item\n    - nested\n",
        "Ångström naïve Việt Nam",
    ],
)
def test_what_means_something_stays(text: str) -> None:
    assert _normalised(text) == text


def test_a_tower_of_marks_is_cut_in_linear_time() -> None:
    text = "a" + "\u0301\u0323" * 100_000 + "b"
    assert len(_normalised(text)) < 40
    assert cpu.seconds(lambda: _normalised(text)) < 2


PAGES = [
    f"ACME Handbook   Rev. 7\nChapter {n // 4}\n\nText of page {n} begins. It has {n * 7} facts.\n"
    f"It ends here with {n * n}.\n\nConfidential\nPage {n} of 12\n"
    for n in range(1, 13)
]


def _joined(pages: list[str]) -> tuple[str, list[int]]:
    starts = [sum(map(len, pages[:n])) for n in range(len(pages))]
    return "".join(pages), starts


def test_furniture_goes_and_pages_stay_right() -> None:
    text, starts = _joined(PAGES)
    cleaned = clean(text, starts, OFF.model_copy(update={"furniture": True}))
    assert "ACME" not in cleaned.text
    assert "Confidential" not in cleaned.text
    assert "Page 3" not in cleaned.text
    assert len(cleaned.pages) == 12
    for n, (start, end) in enumerate(
        zip(cleaned.pages, [*cleaned.pages[1:], len(cleaned.text)], strict=True), 1
    ):
        assert f"Text of page {n} begins" in cleaned.text[start:end]
        assert cleaned.text[start:end].count("Text of page") == 1
        assert f"ends here with {n * n}." in cleaned.text[start:end]


def test_left_and_right_pages_have_their_own_headers() -> None:
    pages = [
        f"{'Left title' if n % 2 else 'Right title'}\nBody {n * 31} of it.\n{n + 4}\n"
        for n in range(8)
    ]
    cleaned = clean(*_joined(pages), OFF.model_copy(update={"furniture": True}))
    assert cleaned.text == "".join(f"Body {n * 31} of it.\n" for n in range(8))


@pytest.mark.parametrize(
    "pages",
    [
        [f"Total\n{value}\n" for value in (17, 4, 230, 9, 51, 12)],
        [f"# Agenda\n\nPoint {n}.\n" for n in range(6)],
        [f"Day {n}\n\nWe did {n * n} things.\n" for n in range(6)],
        [f"| name | value |\n| - | - |\n| a | {n} |\n" for n in range(6)],
        ["Same\n", "Same\n"],
        [f"Rainfall {value} mm\nbody {value}{value}\n" for value in (3, 18, 2, 44, 7, 25)],
    ],
)
def test_what_only_looks_like_furniture_stays(pages: list[str]) -> None:
    text, starts = _joined(pages)
    left = apply(text, starts, furniture(text, starts)).text
    assert [
        line for line in text.split("\n") if line not in left.split("\n") and line != "Total"
    ] == []


def test_roman_page_numbers_count() -> None:
    text, starts = _joined(
        [
            f"Foreword {n * 13}\nbody\n- {roman} -\n"
            for n, roman in enumerate(("iii", "iv", "v", "vi", "vii"))
        ]
    )
    assert "- v -" not in apply(text, starts, furniture(text, starts)).text


WEB = """[Skip to main content](#main)

- [Home](/)
- [Products](/p)
- [Pricing](/pricing)
- [Blog](/blog)
- [Contact](/contact)

We use cookies to improve your experience. By continuing you agree. [Accept all](#)

# How refunds work

A refund takes five days. See [the terms](/terms).

## Related

- [Invoices](/invoices) explain what you paid
- [Taxes](/taxes)

本网站使用cookies，继续浏览即表示同意。

[Home](/) | [About](/about) | [Contact](/contact)

© 2024 ACME Inc. All rights reserved.

Back to top
"""


def test_boilerplate_of_a_web_page_goes_and_its_text_stays() -> None:
    text = clean(WEB, (), OFF.model_copy(update={"boilerplate": True})).text
    assert text.split() == WEB[WEB.index("# How") : WEB.index("本网站")].split()


@pytest.mark.parametrize(
    "text",
    [
        "Cookies are small files. The browser stores them.",
        "We use cookies in this recipe, two cups of them.",
        "Intro.\n\n- [One](/1)\n- [Two](/2)\n- [Three](/3)\n- [Four](/4)\n- [Five](/5)\n\nOutro.",
        "- [One](/1)\n- [Two](/2)\n- [Three](/3)\n- [Four](/4)\n- [Five](/5)\n",
        "The notice must say that all rights reserved to the author stay so. " * 4,
        "```\n© 2024 All rights reserved\n[a](/a) | [b](/b) | [c](/c)\n```\ntext",
        "## Copyright\n\nCopyright law protects works.",
    ],
)
def test_what_could_be_content_stays(text: str) -> None:
    assert boilerplate(text) == []


def test_steps_report_what_they_did() -> None:
    cleaned = clean("a\x00b  c", (), NORMALISE)
    by_name = {step.name: step for step in cleaned.steps}
    assert by_name["controls"].samples == (("a\x00b  c", "ab  c"),)
    assert by_name["blanks"].removed_chars == 1
    assert by_name["blanks"].changes == 1
    assert by_name["glyphs"].changes == 0
    assert clean("a\x00b  c", (3,), OFF) == type(cleaned)("a\x00b  c", (3,), ())


def test_each_step_has_its_own_switch() -> None:
    pages = [page.replace("Text", "Te\u00adxt") + "All rights reserved.\n" for page in PAGES]
    text, starts = _joined([*pages, "Mail a@example.com"])
    every = CleaningSettings(pii="mask")
    for name, gone in {
        "normalise": "\u00ad",
        "furniture": "Confidential",
        "boilerplate": "All rights",
        "pii": "a@example.com",
    }.items():
        off = every.model_copy(update={name: "off" if name == "pii" else False})
        if name == "boilerplate":
            off = off.model_copy(update={"furniture": False})
        assert gone in clean(text, starts, off).text
        assert gone not in clean(text, starts, every).text


_PARTS = st.sampled_from(
    ["word ", "\r\n", "\n\n\n", "e\u0301", "\u00ad", "  ", "ﬁ", "\u200b", "-\n", "你好，", "a@b.co", "\x00", "⼀", "Page 1\n", "\u0600"]
)  # fmt: skip


@example(pages=["a@b.coe\u0301e\u0301-\nword "])
@given(pages=st.lists(st.lists(_PARTS, max_size=8).map("".join), max_size=8))
@settings(max_examples=600 if DEEP else 60, deadline=None)
def test_pages_stay_in_order_and_cleaning_twice_changes_nothing(pages: list[str]) -> None:
    text, starts = _joined(pages)
    cleaned = clean(text, starts, CleaningSettings(furniture=False, pii="mask"))
    assert list(cleaned.pages) == sorted(cleaned.pages)
    assert len(cleaned.pages) == len(starts)
    assert all(0 <= page <= len(cleaned.text) for page in cleaned.pages)
    again = clean(cleaned.text, cleaned.pages, CleaningSettings(furniture=False, pii="mask"))
    assert again.text == cleaned.text


def test_a_page_mark_moves_with_its_text() -> None:
    text = "aa  bb  cc"
    changes = [Change(2, 4, " "), Change(6, 8, "")]
    assert apply(text, (0, 2, 3, 4, 6, 7, 8, 10), changes) == ("aa bbcc", (0, 2, 2, 3, 5, 5, 5, 7))


def test_of_overlapping_changes_the_first_listed_stays() -> None:
    long, inner, after = Change(0, 9, "L"), Change(2, 4, "I"), Change(8, 12, "A")
    assert apart([inner, long, after]) == [inner, after]
    assert apart([long, inner, after]) == [long]
    assert apart([after, inner, long]) == [inner, after]


_SIZE = 10_000_000 if DEEP else 150_000
_HOSTILE = ["a", " ", "\n", " \n", "-\n", "a-\n", "1", "1 ", "1-", "+1", "a@", "a.", "@", ":", "a:", "1.", "::", "[", "[a](", "](", "©", "\u00ad", "\u0301", "a\u0301", "#", "|", "```\n", "cookies ", "we use ", "A1", "DE89 ", "(0", "tel ", "tel", "\u200d", "ﬁ", "0", "4 ", "4"]  # fmt: skip


@pytest.mark.parametrize("unit", _HOSTILE)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    every = CleaningSettings(pii="mask")
    short, long = ("x\n" + unit * (size // len(unit)) + "\ny" for size in (_SIZE // 4, _SIZE))
    seconds = assert_linear(
        lambda: clean(short, (0, 2, 5), every), lambda: clean(long, (0, 2, 5), every)
    )
    assert seconds < 6 * _SIZE / 1_000_000 + 0.5


def test_invisible_signs_are_found_in_code_but_left() -> None:
    text = "a\u200bb ```x``` \n```\nc\u200bd\n```\n"
    found = normalise.invisible(text)
    assert len(found) == 2
    assert normalise.outside_code(text, found) == found[:1]
