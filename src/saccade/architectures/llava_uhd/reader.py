"""LLaVA-UHD: near-square slices in their own aspect and an overview, each read by a few learned queries.

Law     queries × (slices + 1) visual tokens, and one separator a slice; an uncut picture has the overview alone.
Used by LLaVA-UHD (arXiv version: 64 queries, at most 6 slices).
Loses   what no query asks for; detail beyond six slices of 336² pixels.
Source  arXiv:2403.11703; weight shapes from the first released code, whose own data path does not run.

Faithful. Assumed, where paper and code disagree or are silent: slices keep their real sizes (the first code pads all
to 576 patches and masks); key positions are interpolated to each slice's grid; separators are the embeddings of the
tokens "," and newline, as in the later release; the overview comes last.
"""

from collections.abc import Callable

from saccade.architectures.llava.reader import CLIP_MEAN, CLIP_STD, clip, clip_large, llama, vicuna_13b
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.layouts.sequence import SeparatedSequence
from saccade.specs.layouts.slices import ArxivSliceSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.vit import HubTowerSpec

ASSUMPTIONS = (
    "slices keep their real sizes, without padding to 576 patches",
    "key positions are interpolated to each slice's grid",
    "one separator token after every slice, the overview last, as in the later release",
)
TEMPLATE = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    "USER: <image>\n{question} ASSISTANT:"
)
"""One turn in Vicuna's form."""


def llava_uhd(
    *, tower: HubTowerSpec, language: DecoderSpec, queries: int, heads: int, comma: int, newline: int, image_id: int,
    max_slices: int = 6,
) -> ReaderSpec:  # fmt: skip
    """Picture → slices and overview → ``tower`` → ``queries`` each → splice with separators → ``language``."""
    return ReaderSpec(
        views=ArxivSliceSpec(side=tower.side, patch=tower.patch, max_slices=max_slices),
        tower=tower,
        connector=ResamplerSpec(width_in=tower.width, width_out=language.width, queries=queries, heads=heads),
        sequence=SeparatedSequence(comma=comma, newline=newline),
        language=language,
        template=TEMPLATE,
        image_id=image_id,
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )


def tiny() -> ReaderSpec:
    """4 queries for views of about 28² pixels; bytes 0 to 255, then the end marker and the placeholder."""
    return llava_uhd(
        tower=clip(side=28, patch=7, width=16, depth=3, heads=2),
        language=llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        queries=4,
        heads=2,
        comma=ord(","),
        newline=ord("\n"),
        image_id=257,
    )


def uhd_64_13b() -> ReaderSpec:
    """LLaVA-UHD-13B of the arXiv version: 64 queries, 8 heads, Vicuna-13B, separators by Llama's ids."""
    return llava_uhd(
        tower=clip_large(), language=vicuna_13b(), queries=64, heads=8, comma=29_892, newline=13, image_id=32_000
    )


PRESETS: dict[str, Callable[[], ReaderSpec]] = {"tiny": tiny, "uhd-64-13b": uhd_64_13b}
