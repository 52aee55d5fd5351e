"""OpenFlamingo: one cropped view, 64 latents, gated cross-attention inside a frozen language model.

Source: Flamingo, arXiv:2204.14198; OpenFlamingo's code.
"""

from collections.abc import Sequence
from dataclasses import replace

from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.hf_config import vision as towers
from saccade.specs.hf_config.language import language
from saccade.specs.hf_config.processor import one_view
from saccade.specs.laws.layer import AttentionSpec, FeedForwardSpec, LayerSpec
from saccade.specs.laws.path import Media, PathSpec
from saccade.specs.layouts.markers import PlaceholderSequence
from saccade.specs.planner.system import Checkpoint, Family


def open_flamingo(made: Checkpoint) -> PathSpec:
    """64 latents a picture, read by gated cross-attention before every few layers of a frozen language model."""
    config = made.config
    tower = towers.clip(config.sub("vision_config"))
    text, latent, crossed = config.sub("text_config"), config.sub("perceiver_config"), config.sub("xattn_config")
    spoken = language(text, text.text("model_type"), tied=text.flag("tie_word_embeddings", True))
    width, heads, head = tower.width, latent.positive("heads"), latent.positive("dim_head")
    connector = LatentsSpec(
        width_in=width,
        width_out=width,
        latents=latent.positive("num_latents"),
        depth=latent.positive("depth"),
        heads=heads,
        head=head,
        middle=width * latent.positive("ff_mult"),
    )
    cross = LayerSpec(
        attention=AttentionSpec(
            width=spoken.width,
            heads=crossed.positive("heads"),
            head=crossed.positive("dim_head"),
            kv_heads=crossed.positive("heads"),
            source=width,
        ),
        feed=FeedForwardSpec(width=spoken.width, middle=spoken.width * crossed.positive("ff_mult")),
        norms=4 * spoken.width + 2,
    )
    count = spoken.depth // config.positive("cross_attn_every_n_layers")
    return PathSpec(
        views=one_view(made.processor),
        tower=tower,
        connector=connector,
        sequence=PlaceholderSequence(count=1),
        language=replace(spoken, cross=(count, cross)),
        cross=True,
    )


def reprojected(made: Checkpoint, path: PathSpec, media: Sequence[Media]) -> list[str]:
    """Note what a cached token costs in the published code."""
    del made, path, media
    return [
        "a token's cost holds with keys and values of the pictures cached; the published code makes them again for "
        "every token"
    ]


OPEN_FLAMINGO = Family(
    build=open_flamingo,
    kind="reader",
    summary="64 latents a picture, read by gated cross-attention; one position a picture in the sequence",
    stages="crop → CLIP ViT → Perceiver resampler → gated cross-attention → MPT",
    fidelity="faithful",
    source="Flamingo, arXiv:2204.14198; OpenFlamingo, arXiv:2308.01390",
    notes=reprojected,
)
