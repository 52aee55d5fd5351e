"""DeepSeek-OCR and DeepSeek-OCR-2: pages through SAM, convolutions, and a second tower."""

from saccade.architectures.architecture import Architecture, Composition, Loader
from saccade.architectures.deepseek_ocr import serving
from saccade.architectures.deepseek_ocr.spec import DEEPSEEK_OCR, DEEPSEEK_OCR2

_SCORES = "the published code holds the scores of SAM's global attention for all views at once; here a few at a time"
_FUNCTION = "saccade.architectures.deepseek_ocr.checkpoint:composed"
_TYPES = ("deepseek_vl_v2", "DeepseekOCR")

ARCHITECTURES = (
    Architecture(
        name="deepseek_ocr",
        family=DEEPSEEK_OCR,
        advice=serving.DEEPSEEK_OCR,
        presets=("deepseek-ocr",),
        compositions={
            "deepseek-ocr": Composition(
                summary="pages through SAM, convolutions that keep one patch in sixteen, and CLIP over those; newlines "
                "a row",
                fidelity="faithful",
                module="saccade.architectures.deepseek_ocr.reader",
            )
        },
        composed={"deepseek-ocr": ("deepseek-ocr", "3b")},
        differs={"vision": f"{_SCORES}; it also holds an embedding of patches in CLIP that nothing reads"},
        loaders=(Loader(function=_FUNCTION, types=_TYPES),),
    ),
    Architecture(
        name="deepseek_ocr2",
        family=DEEPSEEK_OCR2,
        advice=serving.DEEPSEEK_OCR2,
        presets=("deepseek-ocr-2",),
        composed={"deepseek-ocr-2": ("deepseek-ocr", "2-3b")},
        differs={"vision": _SCORES},
        loaders=(Loader(function=_FUNCTION, types=(*_TYPES, "deepseek_ocr2")),),
    ),
)
