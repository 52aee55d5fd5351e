"""The families that can be planned: model type → laws. A dict to be read from top to bottom."""

from saccade.specs.families.deepseek import DEEPSEEK_OCR, DEEPSEEK_OCR2
from saccade.specs.families.gemma import COLPALI, GEMMA3, PALIGEMMA
from saccade.specs.families.idefics import IDEFICS2, IDEFICS3, SMOLVLM
from saccade.specs.families.kimi import KIMI_K25, KIMI_VL
from saccade.specs.families.llava import LLAVA, LLAVA_UHD, LLAVA_UHD_V2
from saccade.specs.families.objects import OBJECT_CENTRIC
from saccade.specs.families.others import ALIGN, CLIP, LONGVU, PERCEIVER
from saccade.specs.families.queries import BLIP2, IDEFICS, INSTRUCTBLIP, OPEN_FLAMINGO
from saccade.specs.families.qwen import COLQWEN2, QWEN2_VL, QWEN3_VL, QWEN25_VL
from saccade.specs.families.tiles import INTERNVL, OVIS2, OVIS25
from saccade.specs.system import Family

FAMILIES: dict[str, Family] = {
    "llava": LLAVA,
    "llava_uhd": LLAVA_UHD,
    "llava_uhd_v2": LLAVA_UHD_V2,
    "blip-2": BLIP2,
    "instructblip": INSTRUCTBLIP,
    "open_flamingo": OPEN_FLAMINGO,
    "idefics": IDEFICS,
    "idefics2": IDEFICS2,
    "idefics3": IDEFICS3,
    "smolvlm": SMOLVLM,
    "deepseek_ocr": DEEPSEEK_OCR,
    "deepseek_ocr2": DEEPSEEK_OCR2,
    "qwen2_vl": QWEN2_VL,
    "qwen2_5_vl": QWEN25_VL,
    "qwen3_vl": QWEN3_VL,
    "gemma3": GEMMA3,
    "paligemma": PALIGEMMA,
    "kimi_vl": KIMI_VL,
    "kimi_k25": KIMI_K25,
    "ovis2": OVIS2,
    "ovis2_5": OVIS25,
    "internvl": INTERNVL,
    "longvu": LONGVU,
    "colpali": COLPALI,
    "colqwen2": COLQWEN2,
    "clip": CLIP,
    "align": ALIGN,
    "perceiver": PERCEIVER,
    "object_centric": OBJECT_CENTRIC,
}
"""By ``model_type``, as in a checkpoint's ``config.json``."""
