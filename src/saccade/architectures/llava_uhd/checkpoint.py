"""A LLaVA-UHD folder as its authors write it, composed from our parts: its JSON files to a spec.

Two versions: the spatially constrained resampler (guozonghao96/llava-uhd-144-13b), and the pyramid's (LLaVA-UHD v2,
before Vicuna or Qwen2). ``config.json`` names the tower, which is CLIP at 336 px or a folder beside it. Pictures are
cut into at most 7 slices, as in training; for the 9 of the released evaluation take
``reader.seeing(replace(reader.spec.views, max_slices=9))``.

Nothing is assumed silently: an option that no part here has is refused with what to change.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AddedToken, AutoConfig, PreTrainedTokenizerBase

from saccade.architectures.llava.reader import clip_large
from saccade.architectures.llava_uhd import weights as uhd
from saccade.architectures.llava_uhd.reader import TEMPLATE
from saccade.architectures.llava_uhd.reader_144 import sliced
from saccade.architectures.llava_uhd.reader_v2 import CHATML
from saccade.core.errors import SaccadeError
from saccade.language.prompt import PLACEHOLDER
from saccade.nn.hub import config_text
from saccade.specs.connectors.hiwin import HiwinSpec, levels_of
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights.checkpoint import ComposedCheckpoint, ends_of, settings, tokenizer_of
from saccade.weights.files import listing, traced

LANGUAGES = {"llava_llama": ("llama", TEMPLATE), "llava_qwen": ("qwen2", CHATML)}
"""``model_type`` → the language model's own type, and one turn as it was trained on it."""
TOWERS = {"openai/clip-vit-large-patch14-336": clip_large}
"""Towers that are known by name; any other name is a folder."""
FIRST = {"adapt_spatial_resampler": 144, "adapt_spatial_resampler_v1": 144, "uhd_v1_query64": 64}
SECOND = {
    "adapt_spatial_resampler": 144, "adapt_spatial_resampler_v2": 144, "adapt_spatial_resampler_v2_64": 64,
    "adapt_spatial_resampler_v2_256": 256,
}  # fmt: skip
"""``mm_projector_type`` → queries, by version. Where both have the type, ``feature_mode`` tells them apart."""
MODES = ("uhd_v1", "featup_muti_res")
HEAD = 128
"""Channels of the connector's heads."""


def composed(folder: Path, config: dict[str, Any]) -> ComposedCheckpoint:
    """The folder's parts and where their weights lie. Raises SaccadeError with the cure for what no part here has."""
    tokenizer, files = tokenizer_of(folder), listing(folder)
    kind, template = LANGUAGES[config["model_type"]]
    language, tower = _language(folder, config, kind), _tower(folder, config)
    connector = _connector(config, tower.width, language.width)
    spec = sliced(
        tower=tower,
        connector=connector,
        language=language,
        image_id=_placeholder(tokenizer),
        template=template,
    )
    return ComposedCheckpoint(spec, tokenizer, traced(uhd.rename(files, connector, tower, kind), files))


def _connector(config: Mapping[str, Any], width_in: int, width_out: int) -> WindowsSpec | HiwinSpec:
    """By ``mm_projector_type``, with ``feature_mode`` and ``feature_scale_mask``."""
    named, mode = config.get("mm_projector_type"), config.get("feature_mode", "uhd_v1")
    if named not in {*FIRST, *SECOND}:
        known = ", ".join(dict.fromkeys((*FIRST, *SECOND)))
        raise SaccadeError(
            f"mm_projector_type is {named!r}, here are {known}; a LLaVA with an MLP loads from a folder that "
            "transformers saved (llava-hf)"
        )
    if mode not in MODES:
        raise SaccadeError(f"feature_mode is {mode!r}, known are {', '.join(MODES)}; set it as the model was trained")
    heads = width_out // HEAD
    if named in FIRST and (named not in SECOND or mode == "uhd_v1"):
        return WindowsSpec(width_in=width_in, width_out=width_out, heads=heads, queries=FIRST[named])
    levels = levels_of(config.get("feature_scale_mask", 7))
    return HiwinSpec(width_in=width_in, width_out=width_out, heads=heads, levels=levels, queries=SECOND[named])


def _tower(folder: Path, config: Mapping[str, Any]) -> HubTowerSpec:
    """CLIP, its class token dropped."""
    if config.get("mm_vision_select_feature", "patch") != "patch":
        raise SaccadeError(
            f"mm_vision_select_feature is {config['mm_vision_select_feature']!r}; windows tile patches alone: set it "
            "to 'patch'"
        )
    named, layer = str(config.get("mm_vision_tower")), config.get("mm_vision_select_layer", -2)
    if named in TOWERS:
        return HubTowerSpec(config=TOWERS[named]().config, layers=(layer,))
    if not (folder / named / "config.json").is_file():
        raise SaccadeError(
            f"mm_vision_tower is {named!r}: neither {', '.join(TOWERS)} nor a folder with a config.json in {folder}; "
            "put the tower's config.json there"
        )
    found = settings(folder / named / "config.json")
    fields = found.get("vision_config", found)
    if fields.get("model_type") != "clip_vision_model":
        raise SaccadeError(f"{named} is a {fields.get('model_type')!r}, LLaVA-UHD's tower is a 'clip_vision_model'")
    return HubTowerSpec(config=config_text(AutoConfig.for_model(**fields)), layers=(layer,))


def _language(folder: Path, config: Mapping[str, Any], kind: str) -> DecoderSpec:
    """The language model's own fields, which stand among the others."""
    if config.get("mm_use_im_start_end"):
        raise SaccadeError("mm_use_im_start_end puts markers around pictures, LLaVA-UHD has none; set it to false")
    known = {*AutoConfig.for_model(kind).to_dict(), "rope_theta", "rope_scaling"}
    fields = {key: value for key, value in config.items() if key in known and key not in ("model_type", "dtype")}
    fields["eos_token_id"] = ends_of(folder, config.get("eos_token_id", 2))
    return DecoderSpec(config=config_text(AutoConfig.for_model(kind, **fields)))


def _placeholder(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of ``<image>``, which the authors cut out of the text by hand; one that no text has, if it is new."""
    if PLACEHOLDER not in tokenizer.get_vocab():
        tokenizer.add_tokens(AddedToken(PLACEHOLDER, special=True, normalized=False), special_tokens=True)
    return tokenizer.get_vocab()[PLACEHOLDER]
