"""Object-centric reading: masks of objects, one embedding each, spread over a raster before a language model.

Law     144 visual tokens a picture, whatever it shows: a raster of 12 × 12.
Used by no published reader. The survey describes it as DeepSeek-OCR's, which makes no masks.
Loses   what no mask holds, print above all; a region beyond one vector; regions after the thirtieth.
Source  the survey's section on DeepSeek; CLIP, arXiv:2103.00020, reads the regions; Segment Anything, arXiv:2304.02643,
        finds them where its weights are, zones of one colour where they are not.

Survey. DeepSeek-OCR (arXiv:2510.18234) runs SAM's image encoder over the whole page, halves its map twice by
convolutions, and hands all of it to CLIP: nothing is selected, the number of tokens is set by its mode, and it reads
print. CLIP's embedding of a region is held to transformers' own (``tests/towers/test_regions.py``), SAM's masks to
transformers' steps (``test_sam_masks.py``); what stands between them and the tokens was decided here.
"""

from collections.abc import Callable
from dataclasses import replace

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, TEMPLATE, clip, llama, vicuna_7b
from saccade.core.size import Size
from saccade.specs.connectors.region_tokens import RegionsSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.regions import RegionTowerSpec
from saccade.specs.towers.vit import HubTowerSpec

ASSUMPTIONS = (
    "the survey's pooling is a raster: every place is the mean of the regions over it by coverage and score, and of "
    "the whole picture as far as they leave it uncovered",
    "a region is its box grown by a tenth, other pixels in the mean colour, as a square",
    "the segmenter is handed to the tower, and is no part of its weights or of its cost: flat zones, or SAM; "
    "`saccade plan object-centric` counts SAM too",
)


def object_centric(
    *, tower: RegionTowerSpec, language: DecoderSpec, side: int, image_id: int, template: str = TEMPLATE
) -> ReaderSpec:
    """Picture → one padded square of ``side`` pixels → regions, read by ``tower`` → raster → splice → ``language``."""
    return ReaderSpec(
        views=PadSpec(size=Size(side, side)),
        tower=tower,
        connector=RegionsSpec(features=tower.features, width_out=language.width, raster=tower.raster),
        sequence=PlainSequence(),
        language=language,
        template=template,
        image_id=image_id,
        mean=tower.mean,
        std=tower.std,
    )


def embeddings(inner: HubTowerSpec, *, joint: int, most: int, raster: int) -> RegionTowerSpec:
    """CLIP's embedding of each region: its last layer's class token, a norm, a projection to ``joint`` channels."""
    return RegionTowerSpec(
        inner=replace(inner, layers=(-1,), keep_class=True),
        most=most,
        side=inner.side,
        raster=raster,
        joint=joint,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def tiny() -> ReaderSpec:
    """16 tokens of up to 6 regions of a 56 px view; bytes 0 to 255, then the end marker and the placeholder."""
    inner = clip(side=28, patch=7, width=16, depth=3, heads=2)
    return object_centric(
        tower=embeddings(inner, joint=12, most=6, raster=4),
        language=llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        side=56,
        image_id=257,
    )


def survey_7b() -> ReaderSpec:
    """The survey's numbers: 30 regions of a 1024 px picture, CLIP-ViT-B/16's 512 channels, 144 tokens; Vicuna-7B."""
    inner = clip(side=224, patch=16, width=768, depth=12, heads=12)
    return object_centric(
        tower=embeddings(inner, joint=512, most=30, raster=12), language=vicuna_7b(), side=1024, image_id=32_000
    )


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "7b": survey_7b}
