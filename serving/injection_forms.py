"""English forms of attempts to give a model other instructions, beyond those of all languages."""

from serving.injection_rules import MACHINE, any_of, form_rule, gap, word_of, words_rule

_THEN_SAY = (
    r"[,.;:]?[ \n](?:(?:and|then|but|just|now|instead|only|simply|please),?[ \n]){0,3}"
    r"(?:say|print|output|respond|reply|write|answer|tell|translate|return|give|follow|do|act)\b"
)
_ALL_OF_IT = r"[ \n](?:(?:all|everything|anything|the|text|of)[ \n]){0,4}"
_EARLIER = any_of("above before prior preceding previous")
_UP_TO_TWO = r"[ \n](?:\w{1,12}[ \n]){0,2}?"
_GONE = any_of(
    "void fake obsolete not_real no_longer superseded revoked suspended updated replaced cancel"
    " a_test a_joke"
)
_OVERRIDE = (
    words_rule("override", 2, "ignore disregard forget", _ALL_OF_IT, _EARLIER),
    words_rule(
        "override",
        3,
        "ignore disregard forget",
        *(_ALL_OF_IT, _EARLIER, r"(?:[ \n]\w{1,12}){0,2}?", _THEN_SAY),
    ),
    words_rule(
        "override",
        3,
        "ignore ignoring disregard forget",
        gap(2),
        word_of("everything anything all whatever what"),
        gap(4),
        r"(?:were|have been|had been|been|was|you)[ \n](?:(?:previously|ever)[ \n])?",
        any_of("told taught given instructed programmed learned"),
    ),
    words_rule(
        "override",
        3,
        "instructions? prompts? rules guidelines directives text messages?",
        *(_UP_TO_TWO, word_of("above before prior earlier previously"), _UP_TO_TWO, _GONE),
    ),
    words_rule(
        "override",
        3,
        "previous prior earlier original initial your",
        *(_UP_TO_TWO, any_of("instructions prompt rules guidelines directives"), r"[ \n]"),
        *(any_of("are were is was have_been has_been"), r"[ \n](?:now[ \n])?", _GONE),
    ),
    form_rule(
        "override",
        3,
        "ignoreall ignoreprev ignorethe ignoreyour disregardall disregardprev",
        r"(?:ignore|disregard)(?:all|the|of|your|any){0,3}(?:previous|prior|above)",
        r"(?:instructions|prompts|rules)",
    ),
    words_rule(
        "new_task",
        2,
        "new real actual true updated revised secret priority urgent overriding hidden",
        r"[ \n](?:system[ \n])?",
        any_of("instructions? task objective directives? prompt goal mission role"),
        r"(?:[ \n](?:is|are|for you|follow\w*|set))?[ \n]?[:=]",
    ),
    words_rule(
        "new_task",
        3,
        "your",
        r"[ \n](?:new|real|only|true|actual|sole)[ \n](?:and[ \n]only[ \n])?(?:primary[ \n])?",
        any_of("task job goal purpose role instructions? objective mission directive"),
        r"(?:[ \n](?:is|are|will|now)\b|:)",
    ),
    words_rule(
        "boundary",
        2,
        "end begin start",
        r"[ \n](?:of[ \n])?(?:the[ \n])?",
        r"(?:(?:system|user|original|previous|new|admin|hidden)[ \n](?:input|message|",
        r"prompt|instructions?)|prompt|instructions)\b(?![ \n][a-z])",
    ),
)

_LEAK = (
    words_rule(
        "leak",
        3,
        "what reveal tell repeat list show",
        gap(5),
        word_of("were_you are_you you_were you_are you_have_been have_you_been"),
        r"[ \n](?:\w{1,12}[ \n])?",
        any_of("told_(?:to|not|by|before|in|at) given_(?:by|before|at|as)"),
    ),
    words_rule(
        "leak",
        2,
        "repeat print output recite echo copy dump return type",
        gap(4),
        any_of("everything all text words? content sentences? lines? messages? conversation"),
        gap(4),
        word_of("above before prior preceding so_far beginning top"),
    ),
    words_rule(
        "verbatim",
        2,
        "starting_with beginning_with begins_with starts_with verbatim word_for_word",
        r"[^\n]{0,60}?(?:[\"'“‘`]you are|code ?block|\babove\b|system prompt|your instructions)",
    ),
    words_rule(
        "secrets",
        2,
        "print reveal show echo send give tell output list transmit exfiltrate",
        gap(4),
        any_of("api_?keys? passwords secret_keys? secrets credentials environment_variables"),
    ),
    words_rule(
        "exfiltrate",
        2,
        "send forward upload exfiltrate append encode submit leak post transmit",
        gap(6),
        any_of("conversation history api_keys? passwords? secrets? credentials tokens?"),
        r"[^\n]{0,40}?(?:https?://|@)",
    ),
    form_rule(
        "exfiltrate",
        3,
        "](http",
        r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{0,200}[?=/][^)\s]{0,200}[{<\[$]",
    ),
)

_FREED = (
    words_rule(
        "persona",
        2,
        "as are be called named mode",
        r"[ \n](?:a[ \n])?dan\b(?=[ \n]*(?:[,.:;!\"')]|and|mode|who|which|$))",
    ),
    words_rule(
        "unbound",
        3,
        "you're you_are your simulate enter(?:ing)? respond switch(?:ing)?_to chatgpt",
        gap(4),
        word_of("developer dev god sudo jailbreak unrestricted unfiltered uncensored evil"),
        r"[ \n]mode\b",
    ),
    words_rule(
        "unbound",
        3,
        "act pretend simulate roleplay imagine behave respond you_are",
        gap(5),
        word_of("unrestricted unfiltered uncensored unaligned amoral jailbroken evil"),
        *(r"[ \n]", MACHINE),
    ),
    words_rule(
        "unbound",
        3,
        "do_anything_now you_are_jailbroken",
        r"(?=[^\n]{0,200}\b(?:rules|restrict|limit|confines|openai|dan\b))",
    ),
    words_rule("comply", 2, "never cannot can't won't don't must_not will_not", r"[ \n]refuse\b"),
    words_rule(
        "comply",
        1,
        "respond answer reply comply obey fulfil(?:l)?",
        r"[ \n](?:to[ \n]|with[ \n])?(?:every|everything|all|any|anything)\b",
    ),
    words_rule(
        "authority",
        2,
        "authori[sz]ed_override system_override admin_override safety_override security_override"
        " policy_override priority_override emergency_override override_code override_mode"
        " override_command override_protocol override_safety root_access_granted sudo_ignore"
        " sudo_reveal sudo_print sudo_show",
    ),
    words_rule(
        "authority",
        2,
        "i'm am as this_is",
        r"[ \n]your[ \n](?:developer|creator|programmer|admin(?:istrator)?)\b",
    ),
)

FORMS = (*_OVERRIDE, *_LEAK, *_FREED)
