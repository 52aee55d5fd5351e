"""Flamingo: learned latents, and gated cross-attention between the layers of a frozen language model.

Law     64 visual tokens a picture that stay out of the sequence, which holds one position a picture.
Used by Flamingo, OpenFlamingo, IDEFICS.
Loses   fine print, which 64 latents over 224 px do not hold; text reads the last picture before it and no other.
Source  arXiv:2204.14198; OpenFlamingo, arXiv:2308.01390, and its code; IDEFICS as in its transformers class.

Loaded from an IDEFICS checkpoint it gives the same logits as ``transformers``. OpenFlamingo's are composed by the
formulas and names of its code, which current ``transformers`` no longer runs. Two defects of that code are not copied:
with all previous pictures in sight, text before the first picture does not see the later ones; and tags beyond the
pictures that were given are refused rather than read as a blur of all.
"""

from collections.abc import Callable

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, clip, llama
from saccade.core.size import Size
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.language.cross import CrossSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.resize import CropSpec
from saccade.specs.layouts.sequence import CalledSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

ASSUMPTIONS = (
    "built from scratch it is OpenFlamingo's: CLIP for the paper's NFNet, GELU for its squared ReLU, blocks before the "
    "last of every few layers for the first",
    "trained at 8 frames, longer videos interpolate the frames' table, as the paper says; OpenFlamingo reads stills",
)
TEMPLATE = "<image>Question:{question} Short answer:"
CLOSING = "<|endofchunk|>"


def flamingo(
    *,
    tower: HubTowerSpec,
    language: DecoderSpec,
    latents: LatentsSpec,
    cross: CrossSpec,
    image_id: int,
    template: str = TEMPLATE,
    closing: str = CLOSING,
) -> ReaderSpec:
    """Picture → one cropped square → ``tower`` → ``latents`` → ``cross`` into ``language``, one position a picture."""
    return ReaderSpec(
        views=CropSpec(size=Size(tower.side, tower.side)),
        tower=tower,
        connector=latents,
        sequence=CalledSequence(image=image_id),
        language=language,
        template=template,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
        cross=cross,
        closing=closing,
    )


def open_latents(width: int, *, latents: int = 64, depth: int = 6, heads: int = 8, head: int = 64) -> LatentsSpec:
    """OpenFlamingo's resampler over patches of ``width`` channels."""
    return LatentsSpec(
        width_in=width, width_out=width, latents=latents, depth=depth, heads=heads, head=head, middle=4 * width
    )


def open_cross(language: DecoderSpec, source: int, every: int, *, heads: int = 8, head: int = 64) -> CrossSpec:
    """OpenFlamingo's blocks: one before the last of every ``every`` layers."""
    return CrossSpec(
        width=language.width,
        source=source,
        depth=language.depth,
        every=every,
        offset=every - 1,
        heads=heads,
        head=head,
        middle=4 * language.width,
    )


def tiny() -> ReaderSpec:
    """4 latents from a 28 px view; bytes 0 to 255, then the end marker and the placeholder."""
    tower = clip(side=28, patch=7, width=16, depth=3, heads=2, layers=(-1,))
    language = llama(width=16, mlp=32, depth=4, heads=2, vocabulary=258, context=1024, end=256)
    return flamingo(
        tower=tower,
        language=language,
        latents=open_latents(16, latents=4, depth=2, heads=2, head=8),
        cross=open_cross(language, 16, 2, heads=2, head=8),
        image_id=257,
        closing="</s>",
    )


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny}
