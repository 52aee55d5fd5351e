"""LLaVA-UHD of ECCV-24: slices and an overview, 144 queries each, every query bound to its own window of the view.

Law     144 × (slices + 1) visual tokens, and one separator a slice; an uncut picture has the overview alone.
Used by LLaVA-UHD 144 (guozonghao96/llava-uhd-144-13b).
Loses   what lies beside a query's window or between its places; detail beyond seven slices of 336² pixels.
Source  the ECCV-24 code, branch LLaVA-UHD-v1 of thunlp/LLaVA-UHD; the paper, arXiv:2403.11703, describes the older
        resampler with 64 free queries (``llava_uhd``).

Faithful: held to formulas that were written down from the released code, which does not run here. Assumed: windows are
cut in single precision, where the released runs round their edges to bfloat16; separators are input embeddings by id,
29892 and 13; the overview comes last.
"""

from collections.abc import Callable

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, clip, clip_large, llama
from saccade.architectures.llava_uhd.reader import TEMPLATE
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.sequence import SeparatedSequence
from saccade.specs.layouts.slices import EccvSliceSpec
from saccade.specs.parts import ConnectorSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

COMMA, NEWLINE = 29_892, 13
"""Ids of the separators: Llama's "," and newline. Qwen2's release keeps the numbers, whatever they spell there."""
MAX_SLICES = 7
"""In training; the released evaluation of v2 allows 9."""
ASSUMPTIONS = (
    "windows are cut in single precision; the released runs round their edges to bfloat16",
    "one separator after every slice, by the ids 29892 and 13, the overview last",
)


def sliced(
    *, tower: HubTowerSpec, connector: ConnectorSpec, language: DecoderSpec, image_id: int, comma: int = COMMA,
    newline: int = NEWLINE, max_slices: int = MAX_SLICES, template: str = TEMPLATE,
) -> ReaderSpec:  # fmt: skip
    """Picture → slices by the ECCV code's rule → ``tower`` → ``connector`` → splice with separators → ``language``."""
    return ReaderSpec(
        views=EccvSliceSpec(side=tower.side, patch=tower.patch, max_slices=max_slices),
        tower=tower,
        connector=connector,
        sequence=SeparatedSequence(comma=comma, newline=newline),
        language=language,
        template=template,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def tiny() -> ReaderSpec:
    """9 queries for views of about 56² pixels; bytes 0 to 255, then the end marker and the placeholder."""
    tower = clip(side=56, patch=7, width=16, depth=3, heads=2)
    return sliced(
        tower=tower,
        connector=WindowsSpec(width_in=tower.width, width_out=16, heads=2, queries=9),
        language=llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        image_id=257,
        comma=ord(","),
        newline=ord("\n"),
    )


def uhd_144_13b(max_slices: int = MAX_SLICES) -> ReaderSpec:
    """LLaVA-UHD-144-13B: CLIP-ViT-L/14 at 336 px, 40 heads, Vicuna-13B."""
    tower = clip_large()
    return sliced(
        tower=tower,
        connector=WindowsSpec(width_in=tower.width, width_out=5120, heads=40),
        language=vicuna_13b(),
        image_id=32_000,
        max_slices=max_slices,
    )


def vicuna_13b() -> DecoderSpec:
    """Vicuna-13B v1.5 as published, without extra embeddings."""
    return llama(width=5120, mlp=13_824, depth=40, heads=40, vocabulary=32_000, context=4096)


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "uhd-144-13b": uhd_144_13b}
