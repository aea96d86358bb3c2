"""Chat templates of models give here what the library of their authors gives."""

from typing import Any

import pytest

from core.errors import Invalid
from prompts.chat_template import Conversation, render_chats

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nBe kind<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
HEADERS = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if tools is not none %}
    {{- "Tools: " }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{% for message in messages %}
    {%- if message.tool_calls %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("One call at a time!") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}
        {{- "}<|eot|>" }}
        {% continue %}
    {%- endif %}
    {% generation %}
    {{- '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|eot|>' }}
    {% endgeneration %}
{% endfor %}
   {# a remark #}
{%- set ns = namespace(last=-1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.last < 0 and message.role == "user" and message.content is string %}
        {%- set ns.last = index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{{ ns.last }}{{ nothing }}
{%- if add_generation_prompt %}
    {{- '<|assistant|>\\n' }}
{%- endif %}
"""
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": " Be brief. "},
    {"role": "user", "content": "Wetter in 北京 <b>?\n"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"function": {"name": "w", "arguments": {"city": "北京", "n": 1}}}]},
    {"role": "user", "content": "and then"},
    {"role": "assistant", "content": "sun"},
]  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}]


def of_its_authors(source: str, chat: Conversation) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    (text,), _ = render_jinja_template(
        conversations=[list(chat.messages)], tools=list(chat.tools) or None,
        chat_template=source, add_generation_prompt=chat.ask, **TOKENS,
    )  # fmt: skip
    return text


@pytest.mark.parametrize("source", [CHATML, HEADERS])
def test_the_text_is_the_librarys(source: str) -> None:
    chats = [
        Conversation(CHAT[: 1 + n], TOOLS if n % 2 else (), ask)
        for n in range(len(CHAT))
        for ask in (False, True)
    ]
    mine = render_chats(source, chats, TOKENS)
    assert mine == [of_its_authors(source, chat) for chat in chats]


def test_a_conversation_that_the_model_cannot_hold_is_refused_in_its_words() -> None:
    call = CHAT[2]["tool_calls"][0]
    both = {**CHAT[2], "tool_calls": [call, call]}
    with pytest.raises(Invalid, match="One call at a time!"):
        render_chats(HEADERS, [Conversation([both])], TOKENS)
    with pytest.raises(Invalid, match="Change the row"):
        render_chats("{{ messages[7].content + 'x' }}", [Conversation(CHAT)], TOKENS)
