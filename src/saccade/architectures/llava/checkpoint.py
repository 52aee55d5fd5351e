"""A LLaVA folder as ``transformers`` writes it, composed from our parts: its JSON files to a spec.

Nothing is assumed silently: an option that no part here has is refused with what to change.
"""

import json
from pathlib import Path
from typing import Any, cast

from transformers import LlavaConfig, PreTrainedConfig, PreTrainedTokenizerBase

from saccade.architectures.llava import weights as llava
from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, TEMPLATE
from saccade.core.errors import SaccadeError
from saccade.language.prompt import PLACEHOLDER
from saccade.nn.hub import config_text
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights.checkpoint import ComposedCheckpoint, ends_of, tokenizer_of
from saccade.weights.files import listing, traced
from saccade.weights.images import processor_of, views_of

_DEFAULTS: dict[str, dict[str, Any]] = {
    "clip_vision_model": {"do_center_crop": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD},
    "siglip_vision_model": {"do_center_crop": False, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3},
    "dinov2": {"do_center_crop": True, "image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)},
    "vit": {"do_center_crop": False, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3},
}
"""What each tower's own image processor does where the folder does not say."""
DECODERS = ("llama", "mistral", "qwen2", "qwen3")
"""Language models that composed LLaVAs are tested with."""


def composed(folder: Path, config: dict[str, Any]) -> ComposedCheckpoint:
    """The folder's parts and where their weights lie."""
    tokenizer = tokenizer_of(folder)
    spec, files = spec_of_folder(folder, config, tokenizer), listing(folder)
    assert isinstance(spec.tower, HubTowerSpec)
    return ComposedCheckpoint(spec, tokenizer, traced(llava.rename(files, spec.tower), files))


def spec_of_folder(folder: Path, config: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> ReaderSpec:
    """The path that ``config.json`` and the image processor's JSON describe. Raises SaccadeError with the cure."""
    parsed = LlavaConfig.from_dict(config)
    tower = _tower(parsed)
    if parsed.projector_hidden_act != "gelu" or not parsed.multimodal_projector_bias:
        raise SaccadeError(
            f"the projector has activation {parsed.projector_hidden_act!r} and bias "
            f"{parsed.multimodal_projector_bias}; the mlp here has 'gelu' and a bias: load this one with transformers"
        )
    language = _language(parsed, folder)
    known = tokenizer.convert_tokens_to_ids(PLACEHOLDER)
    if known != parsed.image_token_index:
        raise SaccadeError(
            f"the tokenizer reads {PLACEHOLDER} as id {known}, the config says {parsed.image_token_index}; "
            "make image_token_index in config.json and the tokenizer agree"
        )
    return ReaderSpec(
        tower=tower,
        connector=MlpSpec(width_in=tower.width, width_out=language.width, extra=tower.extra),
        sequence=PlainSequence(),
        language=language,
        template=_template(folder, tokenizer),
        image_id=parsed.image_token_index,
        **views_of(processor_of(folder), _DEFAULTS[tower.model_type], tower.side),
    )


def _tower(config: LlavaConfig) -> HubTowerSpec:
    chosen = config.vision_feature_layer
    layers = (chosen,) if isinstance(chosen, int) else tuple(chosen)
    keep = config.vision_feature_select_strategy == "full"
    spec = HubTowerSpec(config=config_text(cast(PreTrainedConfig, config.vision_config)), layers=layers)
    if spec.class_tokens == 0 and not keep:
        raise SaccadeError(
            f"vision_feature_select_strategy 'default' drops the class token, and {spec.model_type} has none, so a "
            "patch would be lost; set it to 'full' in config.json"
        )
    return HubTowerSpec(config=spec.config, layers=layers, keep_class=keep and spec.class_tokens > 0)


def _language(config: LlavaConfig, folder: Path) -> DecoderSpec:
    text = cast(PreTrainedConfig, config.text_config)
    if text.model_type not in DECODERS:
        raise SaccadeError(
            f"the language model is a {text.model_type!r}; composed LLaVAs have one of {', '.join(DECODERS)}: load "
            "this one with transformers itself"
        )
    text.tie_word_embeddings = bool(config.tie_word_embeddings or text.tie_word_embeddings)
    text.eos_token_id = ends_of(folder, text.eos_token_id)
    return DecoderSpec(config=config_text(text))


def _template(folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    """One turn by the checkpoint's own chat template where it has one, else as LLaVA-1.5 was trained."""
    older = folder / "chat_template.json"
    if older.is_file():
        tokenizer.chat_template = json.loads(older.read_text(encoding="utf-8"))["chat_template"]
    if not tokenizer.chat_template:
        return TEMPLATE
    turn: Any = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "{question}"}]}]
    text = str(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))
    # The tokenizer adds its opening token itself.
    return text.removeprefix(str(tokenizer.bos_token)) if tokenizer.bos_token else text
