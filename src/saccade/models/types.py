"""Which published checkpoints load as compositions of parts, by family of the planner; reading this needs no torch."""

from collections.abc import Mapping

LLAVA_UHD = ("llava_llama", "llava_qwen")
DEEPSEEK = ("deepseek_vl_v2", "DeepseekOCR")
COMPOSED: Mapping[str, tuple[str, ...]] = {
    "llava": ("llava",),
    "idefics": ("idefics",),
    "blip-2": ("blip-2",),
    "instructblip": ("instructblip",),
    "llava_uhd": LLAVA_UHD,
    "llava_uhd_v2": LLAVA_UHD,
    "deepseek_ocr": DEEPSEEK,
    "deepseek_ocr2": (*DEEPSEEK, "deepseek_ocr2"),
}
"""The types in ``config.json`` under which a family's checkpoints are published: see ``store.LOADERS``."""
PIECES: Mapping[str, str] = {"open_flamingo": "openflamingo", "blip-2": "lavis-blip2"}
"""The kind in ``saccade.json`` by which checkpoints in pieces are put together: see ``store.KINDS``."""
WHOLE: Mapping[str, tuple[str, ...]] = {"perceiver": ("perceiver",)}
"""Types that load as models of a contract of their own: see ``store.WHOLE``."""
