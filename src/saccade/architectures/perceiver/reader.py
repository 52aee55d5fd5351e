"""Perceiver before a language model: latents read a picture's patches once, and think before they are handed on.

Law     64 visual tokens a picture, whatever it shows: as many as there are latents.
Used by no published reader as it stands; Flamingo's resampler, the nearest, reads patches in every layer and crosses.
Loses   what no latent asks for; exact places first.
Source  Perceiver IO, arXiv:2107.14795, as the survey puts it between a tower and a language model.

Survey. The encoder is the paper's (tested against transformers' classes of Perceiver IO); what stands around it is
LLaVA's: CLIP's tower, Vicuna, and tokens spliced into the prompt.
"""

from collections.abc import Callable

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, TEMPLATE, clip, clip_large, llama, vicuna_7b
from saccade.core.size import Size
from saccade.specs.connectors.perceiver_connector import PerceiverConnectorSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.laws.perceiver import AttendSpec, PerceiverSpec
from saccade.specs.layouts.resize import CropSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

ASSUMPTIONS = (
    "patches come from LLaVA's tower with its positions in them, so no Fourier features are added",
    "latents are as wide as the tower, read once over one head and think in one block of six layers",
    "a matrix takes latents to the language model's width",
)


def perceiver(
    *, tower: HubTowerSpec, language: DecoderSpec, latents: int, heads: int, layers: int, blocks: int, image_id: int
) -> ReaderSpec:
    """Picture → middle square → ``tower`` → ``latents`` → splice → ``language``."""
    encoder = PerceiverSpec(
        latents=latents,
        read=AttendSpec(width=tower.width, source=tower.width),
        layer=AttendSpec(width=tower.width, heads=heads, widen=4),
        blocks=blocks,
        layers=layers,
    )
    return ReaderSpec(
        views=CropSpec(size=Size(tower.side, tower.side)),
        tower=tower,
        connector=PerceiverConnectorSpec(encoder=encoder, width_out=language.width),
        sequence=PlainSequence(),
        language=language,
        template=TEMPLATE,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def tiny() -> ReaderSpec:
    """4 latents for a view of 28 px; bytes 0 to 255, then the end marker and the placeholder."""
    return perceiver(
        tower=clip(side=28, patch=7, width=16, depth=3, heads=2),
        language=llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        latents=4,
        heads=2,
        layers=2,
        blocks=2,
        image_id=257,
    )


def perceiver_7b() -> ReaderSpec:
    """64 latents of CLIP-L's width before Vicuna-7B."""
    return perceiver(
        tower=clip_large(), language=vicuna_7b(), latents=64, heads=8, layers=6, blocks=1, image_id=32_000
    )  # fmt: skip


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "7b": perceiver_7b}
