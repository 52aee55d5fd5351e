"""LLaVA-UHD (64 free queries, or 144 bound to windows) and LLaVA-UHD v2: slices, and an overview."""

from saccade.architectures.architecture import PADDED_VOCABULARY, UNREAD_LAYER, Architecture, Composition, Loader
from saccade.architectures.llava_uhd.serving import LLAVA_UHD as ADVICE
from saccade.architectures.llava_uhd.spec import LLAVA_UHD, LLAVA_UHD_V2

_LOADER = Loader(function="saccade.architectures.llava_uhd.checkpoint:composed", types=("llava_llama", "llava_qwen"))

_FOLDED = (
    "the published code makes keys and values of every place of every window; here their matrices are folded into the "
    "queries"
)

ARCHITECTURES = (
    Architecture(
        name="llava_uhd",
        family=LLAVA_UHD,
        advice=ADVICE,
        presets=("llava-uhd-64", "llava-uhd-144"),
        compositions={
            "llava-uhd": Composition(
                summary="slices in their own aspect and an overview, a few learned queries each",
                fidelity="faithful",
                module="saccade.architectures.llava_uhd.reader",
            ),
            "llava-uhd-144": Composition(
                summary="slices and an overview, 144 learned queries each, every query bound to its own window",
                fidelity="faithful",
                module="saccade.architectures.llava_uhd.reader_144",
            ),
        },
        composed={"llava-uhd-64": ("llava-uhd", "uhd-64-13b"), "llava-uhd-144": ("llava-uhd-144", "uhd-144-13b")},
        differs={"vision": UNREAD_LAYER, "connector": _FOLDED, "language": PADDED_VOCABULARY},
        loaders=(_LOADER,),
    ),
    Architecture(
        name="llava_uhd_v2",
        family=LLAVA_UHD_V2,
        advice=ADVICE,
        presets=("llava-uhd-v2-7b",),
        compositions={
            "llava-uhd-v2": Composition(
                summary="slices and an overview, 144 tokens each from windows of a pyramid that pixels sharpen",
                fidelity="faithful",
                module="saccade.architectures.llava_uhd.reader_v2",
            )
        },
        composed={"llava-uhd-v2-7b": ("llava-uhd-v2", "v2-7b")},
        differs={
            "vision": UNREAD_LAYER,
            "connector": f"{_FOLDED}; it makes the pyramid place by place, and holds weights that nothing reads",
        },
        loaders=(_LOADER,),
    ),
)
