"""IDEFICS: Flamingo over Llama: one stretched view, 64 latents, gated cross-attention.

Source: Flamingo, arXiv:2204.14198; the transformers class.
"""

from dataclasses import replace

from saccade.architectures.flamingo.spec import reprojected
from saccade.core.size import Size
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.fields import Fields
from saccade.specs.hf_config.language import DEFAULTS, language
from saccade.specs.language.language import LanguageSpec
from saccade.specs.laws.layer import AttentionSpec, LayerSpec
from saccade.specs.laws.path import PathSpec
from saccade.specs.layouts.markers import PlaceholderSequence
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.planner.system import Checkpoint, Family


def idefics(made: Checkpoint) -> PathSpec:
    """Flamingo rebuilt over Llama: latents, and gated layers whose feed-forward is the language model's."""
    config = made.config.like({**DEFAULTS["llama"], "additional_vocab_size": 0, "cross_layer_interval": 1})
    tower = towers.idefics(config.sub("vision_config"))
    latent = config.sub("perceiver_config", {
        "resampler_n_latents": 64, "resampler_depth": 6, "resampler_n_heads": 16, "resampler_head_dim": 96,
    })  # fmt: skip
    width, heads, head = tower.width, latent.positive("resampler_n_heads"), latent.positive("resampler_head_dim")
    connector = LatentsSpec(
        width_in=width,
        width_out=width,
        latents=latent.positive("resampler_n_latents"),
        depth=latent.positive("resampler_depth"),
        heads=heads,
        head=head,
        middle=4 * width,
        act="relu",
        qk_norm=latent.flag("qk_layer_norms_perceiver"),
        extra=1,
    )
    spoken = _language(config)
    size = config.sub("vision_config", towers.IDEFICS).side("image_size")
    side = made.processor.positive("image_size", default=size)
    return PathSpec(
        views=StretchSpec(size=Size(side, side)),
        tower=tower,
        connector=connector,
        sequence=PlaceholderSequence(count=3),
        language=replace(spoken, cross=_cross(config, spoken, width)),
        cross=True,
    )


def _language(config: Fields) -> LanguageSpec:
    """Llama with a second table and head for the few tokens that were added."""
    spoken = language(config, "llama", tied=config.flag("tie_word_embeddings"))
    added = config.number("additional_vocab_size")
    return replace(spoken, vocabulary=spoken.vocabulary + added, held=spoken.held + added * spoken.width)


def _cross(config: Fields, spoken: LanguageSpec, source: int) -> tuple[int, LayerSpec]:
    (_, layer), *_ = spoken.layers
    heads = config.positive("num_attention_heads")
    head = spoken.width // heads
    attention = AttentionSpec(width=spoken.width, heads=heads, head=head, kv_heads=heads, source=source)
    gates = 2 if config.text("alpha_type", "float") == "float" else 2 * spoken.width
    norms = 2 * spoken.width + gates + (2 * head if config.flag("qk_layer_norms") else 0)
    every = config.positive("cross_layer_interval")
    return -(-spoken.depth // every), LayerSpec(attention=attention, feed=layer.feed, norms=norms)


IDEFICS = Family(
    build=idefics,
    kind="reader",
    summary="Flamingo rebuilt over Llama: 64 latents a picture, three positions in the sequence",
    stages="stretch → CLIP ViT-H → Perceiver resampler → gated cross-attention → Llama",
    fidelity="exact",
    source="IDEFICS, as in its transformers class; after arXiv:2204.14198",
    notes=reprojected,
)
