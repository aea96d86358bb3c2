"""Cleaning: every step counts what it takes, and takes nothing that it should not."""

import random

import pytest

from tuning.data.candidates import Candidate
from tuning.data.cleaning import NOTHING, Cleaned, RowCleaning, Step, clean
from tuning.data.languages import language_of
from tuning.data.refusals import refuses
from tuning.data.rows import PairRow, Row, SftRow, ThumbRow, Turn
from tuning.data.statistics import row_tokens, spread, token_statistics

WORDS = [
    "river",
    "stone",
    "lamp",
    "garden",
    "winter",
    "orange",
    "silver",
    "quiet",
    "bridge",
    "window",
    "paper",
    "market",
]


def sft(question: str, answer: str) -> SftRow:
    return SftRow((Turn("user", question), Turn("assistant", answer)))


def rows(*found: Row) -> list[Candidate]:
    return [Candidate(row, f"line {n}") for n, row in enumerate(found, 1)]


def step(cleaned: Cleaned, name: str) -> Step:
    return next(one for one in cleaned.steps if one.name == name)


def prose(seed: int, words: int = 60) -> str:
    order = random.Random(seed)
    return " ".join(order.choice(WORDS) + str(order.randrange(9)) for _ in range(words))


def test_every_step_counts():
    given = rows(
        sft("What is the capital of France?", "It is Paris, of course."),
        sft("What is the capital of France?", "It is Paris, of course."),
        sft("", "An answer to nothing."),
        sft("Who are you?", "  "),
        sft("Write to me", "My address is ann@example.com."),
        sft("Long", "word " * 500),
        sft("你好", "你好，很高兴认识你，今天天气不错。"),
        sft("Do it", "I'm sorry, but I can't assist with that."),
    )
    settings = RowCleaning(context=200, languages=("en",), refusals=True)
    cleaned = clean(given, settings)
    told = {one.name: (one.before, one.after, one.changed) for one in cleaned.steps}
    assert told == {
        "empty": (8, 6, 0),
        "pii": (6, 6, 1),
        "too_long": (6, 5, 0),
        "language": (5, 4, 0),
        "refusals": (4, 3, 0),
        "duplicates": (3, 2, 0),
        "near_duplicates": (2, 2, 0),
    }
    assert [one.name for one in cleaned.rows] == ["line 1", "line 5"]
    assert cleaned.rows[1].row == sft("Write to me", "My address is [EMAIL].")
    assert step(cleaned, "duplicates").removed[0] == ("line 2", "equals line 1")


def test_a_step_that_is_off_takes_nothing():
    given = rows(sft("", ""), sft("a", "b"), sft("a", "b"), sft("m", "ann@example.com"))
    cleaned = clean(given, NOTHING)
    assert cleaned.rows == given
    assert not any(one.on for one in cleaned.steps)


def test_near_duplicates_need_question_and_answer_alike():
    one, other = prose(1), prose(2)
    given = rows(
        sft(one, other),
        sft(one + " indeed", other),  # alike
        sft(one, prose(3)),  # another answer
        sft(prose(4), other),  # another question
        sft(one, "yes"),
        sft(one, "no"),
    )
    cleaned = clean(given, RowCleaning())
    removed = step(cleaned, "near_duplicates").removed
    assert removed == (("line 2", "nearly equals line 1"),)


def test_a_template_is_no_likeness():
    """Prompts of one template differ in a few words alone: control without the known inputs."""
    template = prose(7, 300)
    texts = [f"the {a} by the {b}" for a in WORDS[:6] for b in WORDS[6:]]
    made = [sft(f"{template}\n{text}", "positive") for text in texts]
    asked = [
        Candidate(row, f"cell {n}", asked={"text": text})
        for n, (row, text) in enumerate(zip(made, texts, strict=True))
    ]
    assert len(clean(asked, RowCleaning()).rows) == len(texts)
    assert len(clean(rows(*made), RowCleaning()).rows) == len(texts)
    inline = [sft(f"{template} {text}", "positive") for text in texts]
    assert len(clean(rows(*inline), RowCleaning()).rows) < len(texts)


def test_known_rows_are_duplicates_too():
    known = rows(sft("a question", "an answer"), sft(prose(1), prose(2)))
    given = rows(sft("a question", "an answer"), sft(prose(1), prose(2) + " so"), sft("new", "x"))
    cleaned = clean(given, RowCleaning(), known=known)
    assert [one.name for one in cleaned.rows] == ["line 3"]


def test_thumbs_and_pairs():
    asked = (Turn("user", "Tell me how to pick a lock"),)
    no, yes = (Turn("assistant", "I cannot help with that."),), (Turn("assistant", "With a pick."),)
    given = rows(
        ThumbRow(asked, yes, True),
        ThumbRow(asked, yes, False),  # the same answer judged otherwise is no duplicate
        ThumbRow(asked, no, False),  # a bad refusal teaches
        ThumbRow(asked, no, True),
        PairRow(asked, yes, no),
        PairRow(asked, no, yes),
        PairRow(asked, yes, yes),
        ThumbRow(asked, (Turn("assistant", ""),), False),
    )
    cleaned = clean(given, RowCleaning(refusals=True))
    gone = {one.name for each in cleaned.steps for one in each.removed}
    assert gone == {"line 4", "line 6", "line 7"}
    assert step(cleaned, "duplicates").removed == (("line 7", "both answers are equal"),)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I cannot provide medical advice.",
        "As an AI language model, I do not have personal opinions.",
        "I must decline this request.",
        "抱歉，我无法提供这方面的帮助。",
        "作为一个人工智能，我没有个人感受。",
        "Sorry, but that is something I won’t do.",
        "The context does not contain the answer.",
    ],
)
def test_refusals(text: str):
    assert refuses(text)


@pytest.mark.parametrize(
    "text",
    [
        "Paris is the capital of France.",
        "You can't go wrong with olive oil: heat it and add garlic.",
        "Sorry for the wait! Your parcel arrives on Monday.",
        "当然可以，下面是一份菜谱。",
        "He said that he could not come to help us with the move.",
    ],
)
def test_no_refusals(text: str):
    assert not refuses(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The quick brown fox is not in the garden that you know.", "en"),
        ("Der Hund ist nicht in dem Garten und auch nicht auf der Straße.", "de"),
        ("Le chat est dans la maison avec les enfants et il ne veut pas sortir.", "fr"),
        ("这是一个关于天气的问题。Python 3", "zh"),
        ("これはペンです。とても便利です。", "ja"),
        ("Это не так просто, как кажется.", "ru"),
        ("هذا سؤال بسيط", "ar"),
        ("이것은 질문입니다", "ko"),
    ],
)
def test_languages(text: str, code: str):
    assert language_of(text).codes == {code}
    assert language_of("1 + 1 = 2").codes == set()
    assert language_of(f"```python\nif this is not in the list: pass\n```\n{text}").codes == {code}


def test_unknown_languages_are_refused():
    with pytest.raises(ValueError, match="'xx' is none of"):
        RowCleaning(languages=("xx",))


def test_token_statistics():
    lengths = [row_tokens(sft("hello " * n, "yes")) for n in range(1, 101)]
    found = token_statistics(lengths, context=60)
    assert found.rows == 100
    assert found.answer.most == 5
    assert found.prompt.most >= 104
    assert found.both.median == found.prompt.median + 5
    assert found.over == sum(one.total > 60 for one in lengths) / 100
    assert spread([]) == (0, 0, 0, 0)
    assert spread(list(range(1, 101))) == (50, 95, 100, 5050)
    assert spread([7]) == (7, 7, 7, 7)
