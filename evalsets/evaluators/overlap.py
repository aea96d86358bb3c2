"""How much of an expected text the words of an output are: ROUGE, BLEU, chrF."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import regex
from pydantic import Field

from evalsets.evaluators.rouge import Variant, rouge
from evalsets.evaluators.subjects import EvaluatorSettings, Score, Subject, passed, unscored

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

MAX_CHARACTERS = 100_000
_KEPT_LINES = 500
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_HAN = regex.compile(r"\p{Han}")
Tokenizer = Literal["auto", "13a", "intl", "zh", "char", "none"]


class AgainstText(EvaluatorSettings):
    """An output against a text: the case's expected one or one that stands here."""

    value: str | None = Field(
        default=None, description="What to compare with; the case's expected output if left out."
    )
    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="From here on 1, below 0; the figure without it."
    )

    def wanted(self, subject: Subject) -> str | None:
        """What to compare with; None where nobody gave it."""
        wanted = subject.expected if self.value is None else self.value
        return wanted if wanted and wanted.strip() else None

    def of(self, value: float, said: str) -> Score:
        """The figure, or whether it reaches the threshold."""
        if self.threshold is None:
            return Score(value, said)
        holds = value >= self.threshold
        word = "at least" if holds else "below"
        return passed(holds, f"{said}, {word} {self.threshold:g}")


NO_TEXT = "the case has no expected output to compare with"


class Rouge(AgainstText):
    """ROUGE: words of the expected text in the output, in order or not; Chinese by characters."""

    kind: Literal["rouge"] = "rouge"
    variant: Variant = Field(
        default="rougeL",
        description="Single words, pairs, the longest common sequence, or that line by line.",
    )
    measure: Literal["f1", "precision", "recall"] = Field(
        default="f1", description="recall: of the expected words; precision: of the output's."
    )

    def score(self, subject: Subject) -> Score:
        """Unscored without an expected text, or for texts of more than 10,000 words."""
        wanted = self.wanted(subject)
        if wanted is None:
            return unscored(NO_TEXT)
        try:
            found = rouge(self.variant, subject.output, wanted)
        except ValueError as error:
            return unscored(f"{error}; compare a part of it")
        said = f"precision {found.precision:.3f}, recall {found.recall:.3f}, F1 {found.f1:.3f}"
        return self.of(float(getattr(found, self.measure)), f"{self.variant}: {said}")


class Bleu(AgainstText):
    """BLEU of one sentence, from 0 to 1, as sacrebleu gives it; Chinese by characters."""

    kind: Literal["bleu"] = "bleu"
    tokenizer: Tokenizer = Field(
        default="auto", description="auto: zh for Chinese, char for kana and Thai, else 13a."
    )
    case: bool = Field(default=True, description="Whether upper and lower case differ.")

    def score(self, subject: Subject) -> Score:
        """Unscored without an expected text, or for very long ones."""
        wanted = _short(self.wanted(subject), subject.output)
        if isinstance(wanted, Score):
            return wanted
        tokenizer = _tokenizer(wanted) if self.tokenizer == "auto" else self.tokenizer
        found: Any = _sentence(_bleu(tokenizer, not self.case), subject.output, wanted)
        shares = "/".join(f"{share:.0f}" for share in found.precisions)
        figure = min(found.score / 100, 1.0)  # the mean by logarithms may end a rounding above 100
        said = f"BLEU {figure:.3f} ({shares} % of 1 to 4 words, {tokenizer}"
        return self.of(figure, f"{said}, brevity {found.bp:.2f})")


class Chrf(AgainstText):
    """chrF of one sentence, from 0 to 1, as sacrebleu gives it: pieces of words in any script."""

    kind: Literal["chrf"] = "chrf"
    words: int = Field(default=0, ge=0, le=2, description="2 gives chrF++, which counts words too.")
    case: bool = Field(default=True, description="Whether upper and lower case differ.")

    def score(self, subject: Subject) -> Score:
        """Unscored without an expected text, or for very long ones."""
        wanted = _short(self.wanted(subject), subject.output)
        if isinstance(wanted, Score):
            return wanted
        found = _sentence(_chrf(self.words, not self.case), subject.output, wanted)
        return self.of(found.score / 100, f"chrF{'+' * self.words} {found.score / 100:.3f}")


def _short(wanted: str | None, output: str) -> str | Score:
    """The text to compare with, or why the two are not compared."""
    if wanted is None:
        return unscored(NO_TEXT)
    if max(len(wanted), len(output)) > MAX_CHARACTERS:
        return unscored(f"a text has more than {MAX_CHARACTERS:,} characters")
    return wanted


def _tokenizer(text: str) -> str:
    if _KANA.search(text):
        return "char"
    return "zh" if _HAN.search(text) else "13a"


# sacrebleu is loaded where it is needed: with lxml it takes a third of a second.


@lru_cache(maxsize=16)
def _bleu(tokenizer: str, lowercase: bool) -> "Metric":
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenizer, lowercase=lowercase, effective_order=True)


@lru_cache(maxsize=8)
def _chrf(words: int, lowercase: bool) -> "Metric":
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=words, lowercase=lowercase)


def _sentence(metric: "Metric", output: str, wanted: str) -> Any:
    found = metric.sentence_score(output, [wanted])
    _forget(getattr(metric, "tokenizer", None))
    return found


def _forget(tokenizer: Any) -> None:
    """sacrebleu's tokenizers keep 65,536 lines each, which of a large run would be gigabytes."""
    while tokenizer is not None:
        kept: Any = type(tokenizer).__call__
        if hasattr(kept, "cache_info") and kept.cache_info().currsize > _KEPT_LINES:
            kept.cache_clear()
        tokenizer = getattr(tokenizer, "_post_tokenizer", None)
