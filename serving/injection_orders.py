"""Orders to machines, headers of roles and false ends, as attempts at other instructions have."""

from serving.injection_rules import MACHINE, any_of, form_rule, word_of, words_rule

_TOKENS = r"<\|[a-z_]{2,20}\|>|<</?sys>>|\[/?inst\]|</?(?:start|end)_of_turn>"
_KIND = any_of(
    "message prompt override note notice instructions? update alert command admin directive"
)

_TO_MACHINES = (
    words_rule(
        "to_ai",
        2,
        "note attention message instructions? memo hey dear warning important reminder notice"
        " command",
        r"\W{1,3}(?:to|for)?[ \n]?(?:(?:all|any|the|autonomous)[ \n])?",
        MACHINE,
    ),
    words_rule(
        "to_ai",
        2,
        "if_you_are if_you're as",
        *(r"[ \n](?:an?[ \n])?", MACHINE, r"[^.\n]{0,60}"),
        word_of("reading processing summari[sz]ing screening evaluating reviewing parsing"),
    ),
    words_rule(
        "to_ai",
        2,
        "ai llms? assistants? model agents? your_summary your_response your_answer your_review"
        " your_evaluation",
        r"[ \n](?:(?:assistants?|agents?|models?)[ \n])?",
        any_of("must should shall has_to is_required_to are_required_to needs_to"),
        r"[ \n](?:(?:now|only|also|always)[ \n])?",
        any_of("ignore disregard obey output recommend approve forward rank rate state_that"),
    ),
    words_rule(
        "to_ai",
        2,
        "agent ai assistant system hidden llm",
        r"[ \n_](?:instructions?|directive|command)[ \n]?:",
    ),
    form_rule(
        "to_ai",
        2,
        "<!--",
        r"<!--[^>]{0,80}?\b(?:instructions?|directive|assistant|ai|llm|prompt)\b",
    ),
    words_rule(
        "secrecy",
        2,
        "do_not don't never without",
        r"[ \n](?:tell|mention|inform|reveal|alert|notify|ask)[a-z]*[ \n](?:\w{1,10}[ \n]){0,3}?",
        r"(?:the[ \n])?users?\b",
    ),
    words_rule(
        "secrecy",
        2,
        "do_not don't never not",
        r"[ \n](?:mention|reveal|disclose|acknowledge|report)[ \n](?:\w{1,10}[ \n]){0,2}?",
        r"\b(?:these|this|your)\b[ \n](?:\w{1,10}[ \n])?(?:instructions?|message|prompt|step)",
    ),
)

_HEADERS = (
    form_rule(
        "role_header",
        3,
        "<| << [inst start_of",
        rf"(?:{_TOKENS})[ \n]?(?:system|developer)\b|<<sys>>|<\|system\|>",
        r"|\[inst\][ \n]?(?:<<sys>>|you |system)",
    ),
    form_rule("role_header", 2, "<| << [inst [/inst start_of end_of_turn", _TOKENS),
    form_rule(
        "role_header",
        2,
        "system developer",
        rf"(?:^|\n)[ #*=<\[({{>-]{{0,6}}(?:system|developer)(?:[ _-]?{_KIND})?",
        r"[ \])}>*=-]{0,4}:",
    ),
    form_rule(
        "role_header",
        2,
        "[system [admin [developer {system <system",
        rf"[\[{{<(] ?(?:system|admin|developer)(?:[ _-]?{_KIND})? ?[\]}}>]{{0,2}} ?[:>]",
    ),
    form_rule(
        "role_header",
        2,
        "系统 系統",
        r"(?:^|\n)[ #*【\[<]{0,4}系[统統](?:提示|消息|指令|通知)?[】\]>*]{0,3} ?:",
    ),
    form_rule("role_header", 2, "role", r"[\"']role[\"'] ?: ?[\"'](?:system|developer)[\"']"),
    form_rule(
        "role_header",
        2,
        "</",
        r"</(?:system|instructions?|user_?(?:input|query)|input|context|document|prompt|review)>",
        r"(?=[ \n]{0,2}\S)",
    ),
)

ORDERS = (*_TO_MACHINES, *_HEADERS)
