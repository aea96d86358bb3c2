"""Word and settings diffs as values."""

import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from prompts.content import MessageTemplate, PromptContent, Variable
from prompts.diff import Piece, as_text, diff, tokens, word_diff
from prompts.matching import blocks


def content(*messages: tuple[str, str], **more: object) -> PromptContent:
    made = tuple(MessageTemplate(role=role, content=text) for role, text in messages)  # type: ignore[arg-type]
    return PromptContent(messages=made, **more)  # type: ignore[arg-type]


def test_words() -> None:
    assert word_diff("Write a short text.", "Write a very long text.") == (
        Piece("same", "Write a "),
        Piece("removed", "short"),
        Piece("added", "very long"),
        Piece("same", " text."),
    )


def test_chinese_goes_by_character() -> None:
    assert word_diff("请写一篇短文", "请写一篇长文章") == (
        Piece("same", "请写一篇"),
        Piece("removed", "短"),
        Piece("added", "长"),
        Piece("same", "文"),
        Piece("added", "章"),
    )
    assert tokens("用GPT4写 诗\n") == ["用", "GPT4", "写", " ", "诗", "\n"]


@settings(deadline=None)
@given(
    st.text(alphabet="ab 中文\n.\u3000\u2028é{}", max_size=60),
    st.text(alphabet="ab 中文\n.{}", max_size=60),
)
def test_both_texts_are_in_the_pieces(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(p.text for p in pieces if p.change != "added") == before
    assert "".join(p.text for p in pieces if p.change != "removed") == after
    assert all(p.text for p in pieces)
    assert all(one.change != other.change for one, other in pairwise(pieces))
    if before == after:
        assert all(p.change == "same" for p in pieces)


@settings(deadline=None)
@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(tokens(text)) == text


def test_messages_are_paired() -> None:
    before = content(("system", "Be kind."), ("user", "Hello {{ x }}"), ("user", "Bye"))
    after = content(("system", "Be brief."), ("assistant", "Hm"), ("user", "Hello {{ x }}"))
    found = diff(before, after)
    assert [(m.before, m.after) for m in found.messages] == [
        ("system", "system"), (None, "assistant"), ("user", "user"), ("user", None),
    ]  # fmt: skip
    assert [m.changed for m in found.messages] == [True, True, False, True]
    text = as_text(found)
    assert "Be [-kind-]{+brief+}." in text
    assert "assistant: (added)\n{+Hm+}" in text
    assert "user: (removed)\n[-Bye-]" in text


def test_a_changed_role_or_empty_message_is_a_change() -> None:
    assert diff(content(("user", "")), content(("system", ""))).changed
    assert diff(content(("user", "")), content()).changed
    same = content(("user", ""), ("user", "x"))
    assert not diff(same, same).changed


def test_settings() -> None:
    x, y = Variable(name="x"), Variable(name="y", kind="number", default=1)
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    before = content(model="a", options={"temperature": 0, "seed": 1}, inputs=(x, y), tools=(tool,))
    after = content(
        model="b",
        options={"temperature": 0.5, "top_p": 1},
        inputs=(x.model_copy(update={"description": "d"}),),
        outputs={"type": "object"},
        tools=(tool, tool),
    )
    found = [tuple(setting) for setting in diff(before, after).settings]
    assert found == [
        ("model", "model", '"a"', '"b"'),
        ("options", "seed", "1", None),
        ("options", "temperature", "0", "0.5"),
        (
            "inputs",
            "x",
            '{"kind":"text","name":"x"}',
            '{"description":"d","kind":"text","name":"x"}',
        ),
        ("inputs", "y", '{"default":1,"kind":"number","name":"y"}', None),
        ("options", "top_p", None, "1"),
        ("outputs", "schema", None, '{"type":"object"}'),
        ("tools", "look (2)", None, found[-1][3]),
    ]
    assert not diff(after, after).changed


def test_order_alone_is_shown() -> None:
    x, y = Variable(name="x"), Variable(name="y")
    (setting,) = diff(content(inputs=(x, y)), content(inputs=(y, x))).settings
    assert setting == ("inputs", "order", '["x","y"]', '["y","x"]')


def test_long_texts_take_no_long_time() -> None:
    start = time.process_time()
    word_diff("a b " * 50_000, "b c " * 50_000)
    word_diff("one two\n\n" * 2_000, "two one\n\n" * 2_000)
    word_diff("的一" * 1400, "一是" * 1400)
    assert time.process_time() - start < 6


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_blocks_keep_a_longest_common_subsequence(left: list[str], right: list[str]) -> None:
    found = blocks(left, right)
    assert [x for b in found for x in left[b.start : b.end]] == left
    assert [x for b in found for x in right[b.other : b.stop]] == right
    assert all((left[b.start : b.end] == right[b.other : b.stop]) == b.same for b in found)
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
            )
    assert sum(b.end - b.start for b in found if b.same) == table[-1][-1]
