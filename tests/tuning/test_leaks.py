"""No row that is learned equals or nearly equals a case that is held out."""

import random
import time

import numpy as np
import pytest

from core.database import Database
from core.errors import Invalid
from evalsets.datasets.edits import typed_cases
from evalsets.datasets.service import push
from tests.support.depth import DEEP
from tuning.data.candidates import Candidate
from tuning.data.held_out import held_out, held_out_case
from tuning.data.leaks import LeakCheck, without_leaks
from tuning.data.loading import check_no_leaks, find_leaks, load_rows
from tuning.data.prefix_index import PrefixIndex, common
from tuning.data.rows import SftRow, Turn

QUESTION = "A train leaves the station at noon and travels ninety miles to the coast. How long?"
SHORT = "Tell me which is the deepest ocean on earth today."
CHINESE = "一列火车中午从车站出发，行驶九十英里到达海岸，需要多长时间？"
TEMPLATE = "You are a patient teacher of physics. Think step by step.\n\nQuestion: {}\n\nAnswer:"


def asks(question: str, **more) -> Candidate:
    return Candidate(SftRow((Turn("user", question), Turn("assistant", "x"))), "row 1", **more)


def case(**inputs):
    return held_out_case("exam", "c1", "holdout", inputs, None)


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        QUESTION.upper(),
        f"  {QUESTION.replace('.', ' !')}  ",
        QUESTION.replace("coast", "shore"),
        TEMPLATE.format(QUESTION),
        TEMPLATE.format(QUESTION.replace("noon", "ten")),
    ],
)
def test_equal_and_nearly_equal_rows(question: str):
    leak = LeakCheck([case(question=QUESTION)]).find(asks(question))
    assert leak is not None
    assert (leak.dataset, leak.case_id, leak.split) == ("exam", "c1", "holdout")
    assert "case c1 of exam (holdout)" in str(leak)


def test_chinese_and_short_texts():
    check = LeakCheck([case(question=CHINESE)])
    assert check.find(asks(CHINESE.replace("海岸", "海边")))
    assert check.find(asks("一列火车需要多长时间？")) is None
    short = LeakCheck([case(question="Who are you?")])
    assert short.find(asks("who are you"))
    short = LeakCheck([case(question=SHORT), case(question="Who are you?")])
    assert short.find(asks(SHORT.replace("ocean", "sea")))
    assert short.find(asks(f"Dear friend, I ask you this. {SHORT} Say it in a word."))
    assert short.find(asks(SHORT.replace("deepest ocean", "highest mountain"))) is None
    assert short.find(asks(TEMPLATE.format("Who are you?")))
    assert short.find(asks("Who are you and why did you come here today of all days?")) is None


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        TEMPLATE.format("How heavy is the moon?"),
        "",
        QUESTION[:40],
    ],
)
def test_other_rows_are_free(question: str):
    others = ["What is the capital of Spain?", "What is the sum of the numbers 3 and 8?"]
    cases = [case(question=text) for text in (QUESTION, *others)]
    assert LeakCheck(cases).find(asks(question)) is None


def test_a_template_that_rows_and_cases_share_is_no_leak():
    """Control: without a look at what the rows share, every one of them gives a case away."""
    rules = " ".join(f"rule{n}" for n in range(60))
    template = TEMPLATE.replace("{}", f"{rules} of {{}} and {{}}, which is taller?")
    pairs = [(f"tower{n} of town{n}", f"hill{n} near lake{n}") for n in range(60)]
    texts = [template.format(*pair) for pair in pairs]
    held = [case(question=text) for text in texts[:30]]
    checked = without_leaks([asks(text) for text in texts[20:]], held)
    assert len(checked.leaks) == 10
    assert all(LeakCheck(held).find(asks(text)) for text in texts[20:])


def test_several_inputs():
    given = case(question=QUESTION, context="A passage of many words that is long " * 9)
    check = LeakCheck([given])
    assert check.find(asks(QUESTION))
    assert check.find(asks(f"{given.parts[1]}\n{QUESTION}"))
    passage = f"{given.parts[1]}\n{' '.join(f'other{n}' for n in range(40))}"
    assert check.find(asks(passage)) is None


def test_inputs_are_known_where_the_prompt_is_a_template():
    """A case of few words is found by the inputs that a run knows, not in its prompt."""
    check = LeakCheck([case(topic="cats", tone="dry")])
    prompt = TEMPLATE.format("Write of cats, in a dry tone")
    assert check.find(asks(prompt, asked={"topic": "cats", "tone": "dry"}))
    assert check.find(asks(prompt, asked={"topic": "dogs", "tone": "dry"})) is None
    assert check.find(asks(prompt)) is None


def test_later_turns_and_held_out_rows_themselves():
    turns = (Turn("user", "hi"), Turn("assistant", "hello"), Turn("user", QUESTION))
    row = SftRow((*turns, Turn("assistant", "x")))
    cases = [case(question=QUESTION)]
    assert without_leaks([Candidate(row, "r")], cases).leaks
    assert not without_leaks([Candidate(row, "r", split="dev")], cases).leaks


def test_data_sets(sqlite_db: Database):
    rows = [
        {"instruction": QUESTION, "output": "2 hours"},
        {"instruction": "Name a river.", "output": "The Rhine."},
        {"instruction": "Own exam?", "output": "yes", "split": "test"},
        {"instruction": "own exam", "output": "no", "id": "own"},
    ]
    exam = [
        {"question": QUESTION.replace("ninety", "eighty"), "id": "q1", "split": "holdout"},
        {"question": "Name a river.", "split": "train"},
    ]
    with sqlite_db.session_scope("test") as session:
        push(session, "learn", typed_cases(rows))
        push(session, "exam", typed_cases(exam))
    with sqlite_db.read_scope() as session:
        loaded = load_rows(session, "learn", "latest", "sft")
        assert {one.dataset for one in held_out(session)} == {"learn", "exam"}
    assert (len(loaded.training), len(loaded.evaluation)) == (3, 1)
    leaks = find_leaks(sqlite_db, loaded)
    assert [(leak.dataset, leak.split) for leak in leaks] == [
        ("exam", "holdout"),
        ("learn", "test"),
    ]
    with pytest.raises(Invalid, match=r"2 training rows of learn@1 .* case q1 of exam \(holdout\)"):
        check_no_leaks(sqlite_db, loaded)
    with sqlite_db.session_scope("test") as session:  # a newer version that is no exam
        push(session, "exam", typed_cases(exam[1:]))
        push(session, "learn", typed_cases(rows[1:3]))
    with sqlite_db.read_scope() as session:
        loaded = load_rows(session, "learn", 2, "sft")
    check_no_leaks(sqlite_db, loaded)
    with sqlite_db.session_scope("test") as session:
        push(session, "judge", typed_cases([{"prompt": "name a RIVER", "completion": "Po"}]))
    with sqlite_db.read_scope() as session:
        judge = load_rows(session, "judge", 1, "sft")
    with pytest.raises(Invalid, match=r"of judge@1 \(evaluation\)"):
        check_no_leaks(sqlite_db, loaded, judge)


def test_the_index_finds_what_a_look_at_all_finds():
    order = np.random.default_rng(3)
    sets = [np.unique(order.integers(0, 60, order.integers(1, 30)).astype(np.uint64))
            for _ in range(300)]  # fmt: skip
    index = PrefixIndex[int](0.7)
    for place, one in enumerate(sets):
        index.add(place, one)
    index.close()
    for asked in (np.unique(order.integers(0, 60, 40).astype(np.uint64)) for _ in range(50)):
        wanted = {n for n, one in enumerate(sets) if common(one, asked) / len(one) >= 0.7}
        assert {found.value for found in index.contained(asked)} == wanted


def test_many_rows_against_many_cases():
    order = random.Random(1)
    words = [f"word{n}" for n in range(2_000)]

    def text() -> str:
        return " ".join(order.choices(words, k=60))

    cases = [case(question=TEMPLATE.format(text())) for _ in range(500 * (10 if DEEP else 1))]
    rows = [asks(TEMPLATE.format(text())) for _ in range(1_000 * (10 if DEEP else 1))]
    hidden = [asks(one.text.replace("word1 ", "")) for one in cases[:20]]
    began = time.process_time()
    found = without_leaks([*rows, *hidden], cases)
    assert len(found.leaks) == 20
    assert time.process_time() - began < (60 if DEEP else 6)
