"""Which scripts an embedding model can read, told by how its tokenizer cuts a sentence.

A tokenizer that never saw a script says "unknown" or falls back to single letters or bytes; what
the model makes of those is noise, and noise in a fusion of rankings costs more than silence.
"""

from collections.abc import Sequence

import regex

# The beginning of the Universal Declaration of Human Rights, article 1.
SAMPLES = {
    "Latin": "All human beings are born free and equal in dignity and rights",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια",
    "Cyrillic": "Все люди рождаются свободными и равными в своём достоинстве и правах",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם",
    "Devanagari": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता",
    "Han": "人人生而自由在尊严和权利上一律平等他们赋有理性和良心",
    "Kana": "すべてのにんげんはうまれながらにしてじゆうであり",
    "Hangul": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
}
UNKNOWN = ("[UNK]", "<unk>")
MOST_UNKNOWN = 0.05
# A Han character is a word by itself, other scripts are read in pieces of more than one letter.
LEAST_LETTERS = {"Han": 0.6}
LEAST_LETTERS_ELSE = 1.25
_LETTERS = {
    name: regex.compile(
        rf"[\p{{{name}}}&&\p{{L}}]" if name != "Kana" else r"[\p{Hiragana}\p{Katakana}]",
        regex.VERSION1,
    )
    for name in SAMPLES
}
_ANY_LETTER = regex.compile(r"\p{L}")


def known_scripts(tokens: Sequence[Sequence[str]]) -> frozenset[str]:
    """The scripts whose sample a tokenizer cut well; `tokens` of SAMPLES' values in their order."""
    return frozenset(
        name
        for (name, sample), cut in zip(SAMPLES.items(), tokens, strict=True)
        if _is_read(name, sample, cut)
    )


def share_known(text: str, known: frozenset[str]) -> float:
    """The share of a text's letters that are in known scripts; 1 for a text without letters."""
    letters = len(_ANY_LETTER.findall(text))
    read = sum(len(_LETTERS[name].findall(text)) for name in known)
    return min(read / letters, 1.0) if letters else 1.0


def _is_read(name: str, sample: str, tokens: Sequence[str]) -> bool:
    unknown = sum(token in UNKNOWN for token in tokens)
    if not tokens or unknown > MOST_UNKNOWN * len(tokens):
        return False
    letters = len(_ANY_LETTER.findall(sample))
    return letters / len(tokens) >= LEAST_LETTERS.get(name, LEAST_LETTERS_ELSE)
