"""An IDEFICS folder as ``transformers`` writes it, composed from our parts: its JSON files to a spec.

CLIP's patches with the class token go through the latents, or as they are where the checkpoint has no resampler;
blocks of gated cross-attention before every few layers of a Llama read them. The tokens that IDEFICS adds to Llama's
are the last rows of one table. An option that no part here has is refused with what to change.
"""

from pathlib import Path
from typing import Any, cast

from transformers import (
    CLIPVisionConfig,
    IdeficsConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from saccade.architectures.idefics import weights as idefics
from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.language.prompt import PLACEHOLDER
from saccade.nn.hub import config_text
from saccade.specs.connectors.as_is import AsIsSpec
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.language.cross import CrossSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.sequence import CalledSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec
from saccade.weights.checkpoint import ComposedCheckpoint, ends_of, id_of, tokenizer_of
from saccade.weights.files import listing, traced
from saccade.weights.images import processor_of, views_of

EDGE, END = "<fake_token_around_image>", "<end_of_utterance>"
TEMPLATE, CLOSING = f"User:<image>{{question}}{END}\nAssistant:", f"{END}\n"
"""A turn and what ends an example, for checkpoints that know ``<end_of_utterance>``: the instructed ones."""
PLAIN, PLAIN_CLOSING = "<image>Question: {question} Answer:", "\n"
"""The same for the others."""
_DEFAULTS: dict[str, Any] = {
    "do_center_crop": False,
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
    "size": {"height": 224, "width": 224},
}
"""What IDEFICS' image processor does where the folder does not say."""


def composed(folder: Path, config: dict[str, Any]) -> ComposedCheckpoint:
    """The folder's parts and where their weights lie."""
    tokenizer = tokenizer_of(folder)
    spec, files = spec_of_folder(folder, config, tokenizer), listing(folder)
    return ComposedCheckpoint(spec, tokenizer, traced(idefics.rename(files, spec), files))


def spec_of_folder(folder: Path, config: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> ReaderSpec:
    """The path that ``config.json`` and the image processor's JSON describe. Raises SaccadeError with the cure."""
    parsed = IdeficsConfig.from_dict(config)
    if parsed.hidden_act != "silu":
        raise SaccadeError(
            f"the language model has activation {parsed.hidden_act!r}; the gated blocks here have 'silu': load this "
            "one with transformers itself"
        )
    tower = _tower(cast(PreTrainedConfig, parsed.vision_config))
    rows = parsed.vocab_size + parsed.additional_vocab_size
    instructed = END in tokenizer.get_vocab()
    ends = ends_of(folder, parsed.eos_token_id)
    found = [*(ends if isinstance(ends, list) else [ends]), *([id_of(tokenizer, END, rows)] if instructed else [])]
    language = _language(parsed, rows, found)
    image = id_of(tokenizer, PLACEHOLDER, rows)
    if tokenizer.bos_token is None:
        raise SaccadeError("the tokenizer has no bos_token, with which every IDEFICS prompt starts; give it one")
    return ReaderSpec(
        tower=tower,
        connector=_connector(parsed, tower),
        sequence=CalledSequence(image=image, around=(id_of(tokenizer, EDGE, rows),)),
        language=language,
        cross=_cross(parsed, tower, cast(int | None, tokenizer.eos_token_id)),
        template=TEMPLATE if instructed else PLAIN,
        closing=CLOSING if instructed else PLAIN_CLOSING,
        opening=str(tokenizer.bos_token),
        image_id=image,
        **_views(folder, tower),
    )


def _tower(vision: PreTrainedConfig) -> HubTowerSpec:
    """IDEFICS' tower is CLIP's under another name."""
    names = (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size",
        "patch_size", "hidden_act", "layer_norm_eps", "attention_dropout",
    )  # fmt: skip
    config = CLIPVisionConfig(**{name: getattr(vision, name) for name in names})
    return HubTowerSpec(config=config_text(config), layers=(-1,), keep_class=True)


def _connector(config: IdeficsConfig, tower: HubTowerSpec) -> LatentsSpec | AsIsSpec:
    if not config.use_resampler:
        return AsIsSpec(width=tower.width, extra=tower.extra)
    given: Any = config.perceiver_config
    return LatentsSpec(
        width_in=tower.width,
        width_out=tower.width,
        latents=given.resampler_n_latents,
        depth=given.resampler_depth,
        heads=given.resampler_n_heads,
        head=given.resampler_head_dim,
        middle=4 * tower.width,
        act="relu",
        qk_norm=given.qk_layer_norms_perceiver,
        extra=tower.extra,
    )


def _cross(config: IdeficsConfig, tower: HubTowerSpec, end: int | None) -> CrossSpec:
    depth, every, heads = config.num_hidden_layers, config.cross_layer_interval, config.num_attention_heads
    if every < 1 or depth % every:
        raise SaccadeError(
            f"cross_layer_interval {every} does not divide the {depth} layers: there transformers looks for a "
            "block that it did not make; take an interval that divides"
        )
    if config.alpha_type not in ("float", "vector"):
        raise SaccadeError(f"alpha_type is 'float' or 'vector', got {config.alpha_type!r}; correct config.json")
    return CrossSpec(
        width=config.hidden_size,
        source=tower.width,
        depth=depth,
        heads=heads,
        head=config.hidden_size // heads,
        middle=config.intermediate_size,
        every=every,
        act="silu",
        norm="rms",
        eps=config.rms_norm_eps,
        qk_norm=config.qk_layer_norms,
        gates="vector" if config.alpha_type == "vector" else "scalar",
        reset=end,
        idle="fed",
    )


def _language(config: IdeficsConfig, rows: int, ends: list[int | None]) -> DecoderSpec:
    rope: Any = config.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise SaccadeError(
            f"the language model scales its positions ({rope['rope_type']!r}), which no published IDEFICS does; load "
            "this one with transformers itself"
        )
    text = LlamaConfig(
        vocab_size=rows,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_attention_heads,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": rope["rope_theta"]},
        tie_word_embeddings=config.tie_word_embeddings,
        eos_token_id=[end for end in ends if end is not None],
        bos_token_id=config.bos_token_id,
        pad_token_id=None,
    )
    return DecoderSpec(config=config_text(text))


def _views(folder: Path, tower: HubTowerSpec) -> dict[str, Any]:
    given = processor_of(folder)
    side = given.pop("image_size", None)  # the older name
    if side is not None and given.get("size") is None:
        given["size"] = {"height": side, "width": side}
    made = views_of(given, _DEFAULTS, tower.side)
    if made["views"].size != Size(tower.side, tower.side):
        raise SaccadeError(
            f"the image processor makes pictures of {made['views'].size}, the tower reads {tower.side}×{tower.side}; "
            "make size in its settings and image_size in config.json agree"
        )
    return made
