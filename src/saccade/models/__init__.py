"""Readers: whole paths from picture to answer, and the catalogue of those that have a name.

Reading the catalogue needs no torch; building, loading and saving a reader does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from saccade.models import (
    blip2,
    deepseek_ocr,
    flamingo,
    foveated,
    idefics,
    instructblip,
    llava,
    llava_uhd,
    llava_uhd_144,
    llava_uhd_v2,
    object_centric,
    perceiver,
)  # fmt: skip
from saccade.specs.reader import ReaderSpec

if TYPE_CHECKING:
    from saccade.models.base import Reader as Reader
    from saccade.models.fresh import build as build
    from saccade.models.fresh import from_spec as from_spec
    from saccade.models.fresh import spec_of as spec_of
    from saccade.models.loading import load as load
    from saccade.models.store import from_pretrained as from_pretrained
    from saccade.models.store import save_pretrained as save_pretrained

Fidelity = Literal["exact", "faithful", "survey"]
"""exact: outputs equal the reference implementation's on the same weights, tested. faithful: from the paper, nothing
to test against. survey: the survey's variant, known to differ from the published system."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One reader of the catalogue: a sentence, how true it is to the original, what was assumed, its sizes."""

    summary: str
    fidelity: Fidelity
    presets: Mapping[str, Callable[[], ReaderSpec]] = field(repr=False)
    assumptions: tuple[str, ...] = ()


READERS: dict[str, Entry] = {
    "llava": Entry(
        summary="one square view, every CLIP patch through an MLP",
        fidelity="exact",
        presets=llava.PRESETS,
    ),
    "llava-uhd": Entry(
        summary="slices in their own aspect and an overview, a few learned queries each",
        fidelity="faithful",
        presets=llava_uhd.PRESETS,
        assumptions=llava_uhd.ASSUMPTIONS,
    ),
    "llava-uhd-144": Entry(
        summary="slices and an overview, 144 learned queries each, every query bound to its own window",
        fidelity="faithful",
        presets=llava_uhd_144.PRESETS,
        assumptions=llava_uhd_144.ASSUMPTIONS,
    ),
    "llava-uhd-v2": Entry(
        summary="slices and an overview, 144 tokens each from windows of a pyramid that pixels sharpen",
        fidelity="faithful",
        presets=llava_uhd_v2.PRESETS,
        assumptions=llava_uhd_v2.ASSUMPTIONS,
    ),
    "idefics": Entry(
        summary="square tiles and a global view, SigLIP patches folded by pixel shuffle",
        fidelity="faithful",
        presets=idefics.PRESETS,
        assumptions=idefics.ASSUMPTIONS,
    ),
    "flamingo": Entry(
        summary="64 latents a picture, read by gated cross-attention inside a frozen language model",
        fidelity="faithful",
        presets=flamingo.PRESETS,
        assumptions=flamingo.ASSUMPTIONS,
    ),
    "blip2": Entry(
        summary="32 learned queries read EVA-CLIP patches in several layers, and stand before a frozen language model",
        fidelity="exact",
        presets=blip2.PRESETS,
    ),
    "instructblip": Entry(
        summary="BLIP-2 whose queries read the instruction too",
        fidelity="exact",
        presets=instructblip.PRESETS,
    ),
    "perceiver": Entry(
        summary="latents read all patches once and think in layers of their own before they are handed on",
        fidelity="survey",
        presets=perceiver.PRESETS,
        assumptions=perceiver.ASSUMPTIONS,
    ),
    "deepseek-ocr": Entry(
        summary="pages through SAM, convolutions that keep one patch in sixteen, and CLIP over those; newlines a row",
        fidelity="faithful",
        presets=deepseek_ocr.PRESETS,
        assumptions=deepseek_ocr.ASSUMPTIONS,
    ),
    "foveated": Entry(
        summary="the question chooses where to look: patches there, ever coarser cells further out",
        fidelity="survey",
        presets=foveated.PRESETS,
        assumptions=foveated.ASSUMPTIONS,
    ),
    "object-centric": Entry(
        summary="masks of objects, one embedding each, spread over a raster of 144 tokens",
        fidelity="survey",
        presets=object_centric.PRESETS,
        assumptions=object_centric.ASSUMPTIONS,
    ),
}
"""Every reader that has a name."""

_LAZY = {
    "Reader": "base",
    "build": "fresh",
    "from_spec": "fresh",
    "spec_of": "fresh",
    "load": "loading",
    "from_pretrained": "store",
    "save_pretrained": "store",
}


def __getattr__(name: str) -> object:
    """What needs torch, on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
