"""Kimi-VL and Kimi K2.5: MoonViT in the image's own shape."""

from saccade.architectures.architecture import Architecture
from saccade.architectures.kimi import serving
from saccade.architectures.kimi.spec import KIMI_K25, KIMI_VL

ARCHITECTURES = (
    Architecture(name="kimi_vl", family=KIMI_VL, advice=serving.KIMI_VL, presets=("kimi-vl-a3b",)),
    Architecture(name="kimi_k25", family=KIMI_K25, advice=serving.KIMI_K25, presets=("kimi-k2.5",), answers=True),
)
