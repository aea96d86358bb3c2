"""What of a model is trained, as PEFT's settings."""

from typing import Any

from peft import (
    IA3Config,
    LoraConfig,
    PeftConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    PromptTuningInit,
    TaskType,
)
from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING

from tuning.methods import Adapter, Dora, Full, Ia3, Lora, Prefix, PromptTuning
from tuning.trainer.refusal import Refused

_IA3 = ("k_proj", "v_proj", "down_proj")


def settings(adapter: Adapter, model: Any, folder: str, *, reward: bool) -> PeftConfig | None:
    """PEFT's settings of `adapter`, None for all weights. Raises Refused."""
    task = TaskType.SEQ_CLS if reward else TaskType.CAUSAL_LM
    match adapter:
        case Full():
            return None
        case Lora() | Dora():
            return LoraConfig(
                task_type=task,
                r=adapter.rank,
                lora_alpha=adapter.alpha or 2 * adapter.rank,
                lora_dropout=adapter.dropout,
                target_modules="all-linear",
                use_dora=isinstance(adapter, Dora),
            )
        case Ia3():
            return IA3Config(task_type=task, **_ia3_modules(model))
        case Prefix():
            return PrefixTuningConfig(task_type=task, num_virtual_tokens=adapter.tokens)
        case PromptTuning(text=None):
            return PromptTuningConfig(
                task_type=task,
                num_virtual_tokens=adapter.tokens,
                prompt_tuning_init=PromptTuningInit.SAMPLE_VOCAB,
            )
        case PromptTuning():
            return PromptTuningConfig(
                task_type=task,
                num_virtual_tokens=adapter.tokens,
                prompt_tuning_init=PromptTuningInit.TEXT,
                prompt_tuning_init_text=adapter.text,
                tokenizer_name_or_path=folder,
            )
        case _:
            return PromptEncoderConfig(
                task_type=task,
                num_virtual_tokens=adapter.tokens,
                encoder_hidden_size=adapter.hidden,
            )


def _ia3_modules(model: Any) -> dict[str, list[str]]:
    """PEFT knows most models; of others the usual names are taken, if they are there."""
    if model.config.model_type in TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
        return {}
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    if not names.issuperset(_IA3):
        raise Refused(
            f"IA3 does not know where it belongs in a {model.config.model_type}. Choose lora."
        )
    return {"target_modules": list(_IA3), "feedforward_modules": [_IA3[-1]]}
