"""Whether an answer says that what was given to read does not answer the question.

English and Chinese (both scripts). It is one when its first sentence says so, apologies aside:
an answer that begins with facts and ends with what is missing is an answer.
"""

import re

from evalsets.evaluators.sentences import sentences

_GIVEN = (
    r"(?:context|passages?|documents?|sources?|texts?|excerpts?|materials?|information|"
    r"knowledge base)"
)
_NOT = r"(?:not|n['’]t|never|nothing|no)"
_ENGLISH = (
    rf"\bnot (?:\w+ ){{0,3}}(?:in|from|by|within) (?:the |this |these |any )?(?:\w+ )?{_GIVEN}\b",
    rf"\b{_GIVEN}\b.{{0,40}}\b(?:do|does|did|is|are|was|were|has|have|could|can)"
    rf" ?{_NOT}\b.{{0,30}}"
    r"\b(?:contain|mention|say|include|provide|state|specify|give|answer|cover|tell|address|list|"
    r"describe|discuss|enough|sufficient)",
    rf"\b{_GIVEN}\b.{{0,40}}\b(?:contain|mention|say|include|provide|give)s? (?:nothing|no)\b",
    rf"\b(?:no|nothing|none)\b.{{0,40}}\b(?:in|from|of) (?:the |this |these )(?:\w+ )?{_GIVEN}\b",
    r"\b(?:cannot|can ?not|can['’]t|could ?n['’]t|could not|am unable to|unable to|was unable to)"
    r" (?:\w+ ){0,2}(?:find|answer|determine|tell|say|locate)\b",
    r"\bI (?:do not|don['’]t) (?:know|have (?:enough |any |the |that )*(?:information|context))",
    r"\b(?:not|isn['’]t|wasn['’]t) (?:mentioned|stated|specified|given|provided|found|available|"
    r"answered|covered|contained|included)\b",
    r"\b(?:there is|there's|have|has|found) no (?:\w+ )?(?:information|answer|mention|passage)\b",
    r"\bno (?:relevant |such |further )?(?:information|answer)(?: (?:is|was))?"
    r" (?:available|found|given|provided|about|on|regarding)\b",
    r"\bnot enough (?:information|context)\b|\binsufficient (?:information|context)\b",
)
_CHINESE = (
    r"(?:上下文|文[档檔中件章本]|[资資]料|材料|段落|[内內]容|[参參]考|原文|知[识識][库庫]).{0,16}"
    r"(?:[没沒]有?|未|不|[无無]).{0,6}"
    r"(?:提[到及供]|[说說]明|包含|包括|涉及|找到|回答|答案|信息|[资資][讯訊料]|[给給]出|[写寫]|[记記][载載]|足[够夠])",
    r"(?:不在|[没沒]有?在|未在).{0,10}(?:上下文|文[档檔中件章本]|[资資]料|材料|段落|[内內]容|原文)",
    r"(?:[无無]法|不能|[没沒]法|[没沒]有?[办辦]法).{0,10}(?:回答|[确確]定|找到|得知|判[断斷]|作答)",
    r"(?:[没沒]有|未)(?:提[到及供]|[说說]明|找到|相[关關](?:的)?(?:信息|[内內]容|[资資][讯訊料]))",
    r"我?不(?:知道|清楚)",
)
_SAYS = re.compile("|".join((*_ENGLISH, *_CHINESE)), re.IGNORECASE)
_APOLOGY = re.compile(
    r"\W*(?:(?:i['’]?m|i am|we are)?\s*(?:very |so |really )?sorry|unfortunately|apologies|"
    r"i apologi[sz]e|很?抱歉|[对對]不起|不好意思|[遗遺]憾)\W*",
    re.IGNORECASE,
)
_LOOKED_AT = 2_000


def says_not_in_context(text: str) -> bool:
    """Whether a text says that the answer is not there."""
    first = next((one for one in sentences(text[:_LOOKED_AT]) if not _APOLOGY.fullmatch(one)), "")
    return _SAYS.search(first) is not None
