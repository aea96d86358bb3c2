"""The deterministic model."""

from connectors.echo import EchoConnector, count_words
from connectors.wire import ChatRequest, Usage


async def test_says_the_last_user_message() -> None:
    request = ChatRequest(
        [
            {"role": "system", "content": "you are a parrot"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "first"},
            {"role": "user", "content": "  two  words\n"},
        ]
    )
    answers = [await EchoConnector().chat(request) for _ in range(2)]
    assert answers[0].text == answers[1].text == "  two  words\n"
    assert answers[0].usage == Usage(8, 2)
    assert answers[0].ttft_ms is None


async def test_streams_the_same_text() -> None:
    for text in ("a b  c\n\nd ", "", "一二 三", " "):
        pieces: list[str] = []
        request = ChatRequest([{"role": "user", "content": text}])
        answer = await EchoConnector().chat(request, on_delta=pieces.append)
        assert "".join(pieces) == answer.text == text


async def test_no_user_message_is_an_empty_answer() -> None:
    answer = await EchoConnector().chat(ChatRequest([{"role": "system", "content": "x"}]))
    assert (answer.text, answer.usage) == ("", Usage(1, 0))


def test_words_and_characters_are_counted() -> None:
    assert count_words("two words") == 2
    assert count_words("写一条新闻 now!") == 6
    assert count_words("") == 0
