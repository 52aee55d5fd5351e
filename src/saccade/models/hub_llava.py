"""A LLaVA folder as ``transformers`` writes it, composed from our parts: its JSON files to a spec.

Nothing is assumed silently: an option that no part here has is refused with what to change.
"""

import json
from pathlib import Path
from typing import Any, cast

from transformers import LlavaConfig, PreTrainedConfig, PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.language.prompt import PLACEHOLDER
from saccade.models.llava import CLIP_MEAN, CLIP_STD, TEMPLATE
from saccade.nn.hub import config_text
from saccade.specs.decoder import DecoderSpec
from saccade.specs.mlp import MlpSpec
from saccade.specs.reader import ReaderSpec, ViewsSpec
from saccade.specs.resize import CropSpec, PadSpec, StretchSpec
from saccade.specs.sequence import PlainSequence
from saccade.specs.vit import HubTowerSpec

_DEFAULTS: dict[str, dict[str, Any]] = {
    "clip_vision_model": {"do_center_crop": True, "image_mean": CLIP_MEAN, "image_std": CLIP_STD},
    "siglip_vision_model": {"do_center_crop": False, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3},
    "dinov2": {"do_center_crop": True, "image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)},
    "vit": {"do_center_crop": False, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3},
}
"""What each tower's own image processor does where the folder does not say."""
DECODERS = ("llama", "mistral", "qwen2", "qwen3")
"""Language models that composed LLaVAs are tested with."""
_FILTERS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


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
        **_views(_processor(folder), tower),
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
    generation = folder / "generation_config.json"
    if generation.is_file():
        ends = json.loads(generation.read_text(encoding="utf-8")).get("eos_token_id")
        text.eos_token_id = text.eos_token_id if ends is None else ends
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


def _processor(folder: Path) -> dict[str, Any]:
    """The image processor's JSON, of the older or the newer file; empty where there is none."""
    for name, inside in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        if (folder / name).is_file():
            data = json.loads((folder / name).read_text(encoding="utf-8"))
            found = data if inside is None else data.get(inside)
            if found is not None:
                return dict(found)
    return {}


def _views(given: dict[str, Any], tower: HubTowerSpec) -> dict[str, Any]:
    """How pictures become views: the spec's ``views``, ``mean``, ``std`` and ``resample``."""
    options = {**_DEFAULTS[tower.model_type], **{key: value for key, value in given.items() if value is not None}}
    if not options.get("do_resize", True) or not options.get("do_rescale", True):
        raise SaccadeError(
            "the image processor keeps sizes or ranges as they come; set do_resize and do_rescale to true"
        )
    if abs(255 * options.get("rescale_factor", 1 / 255) - 1) > 1e-6:
        raise SaccadeError(f"the image processor scales by {options['rescale_factor']}, here it is 1/255; set it so")
    number = options.get("resample", 3)
    if number not in _FILTERS:
        raise SaccadeError(f"the image processor resamples by filter {number}; known: {_FILTERS}")
    plain = not options.get("do_normalize", True)
    mean = (0.0, 0.0, 0.0) if plain else tuple(options["image_mean"])
    std = (1.0, 1.0, 1.0) if plain else tuple(options["image_std"])
    return {"views": _frame(options, tower.side), "mean": mean, "std": std, "resample": _FILTERS[number]}


def _frame(options: dict[str, Any], side: int) -> ViewsSpec:
    """Pad, crop or stretch, to the size that the processor names; to the tower's own where it names none."""
    crop = _size(options.get("crop_size"), side) if options.get("do_center_crop") else None
    named = options.get("size", {"shortest_edge": side} if crop else side)
    short = named.get("shortest_edge") if isinstance(named, dict) else named if crop else None
    size = Size(short, short) if short is not None else _size(named, side)
    if crop not in (None, size) or (short is not None and crop is None and not options.get("do_pad")):
        raise SaccadeError(
            f"the image processor resizes to {named} and crops to {crop}; views here have one size: set do_center_crop "
            "and make crop_size equal to the shortest edge, or give size a height and a width"
        )
    if options.get("do_pad"):
        red, green, blue = (int(part * 255) for part in options["image_mean"])
        return PadSpec(size=size, colour=(red, green, blue))
    return CropSpec(size=size) if short is not None else StretchSpec(size=size)


def _size(named: object, side: int) -> Size:
    """A size as image processors write it: one number, or a height and a width."""
    if named is None:
        return Size(side, side)
    if isinstance(named, int):
        return Size(named, named)
    if isinstance(named, dict) and {"height", "width"} <= named.keys():
        return Size(named["width"], named["height"])
    raise SaccadeError(f"the image processor's size {named!r} has no height and width; give it both")
