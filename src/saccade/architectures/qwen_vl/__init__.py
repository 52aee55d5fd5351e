"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: images and videos in their own shape."""

from saccade.architectures.architecture import Architecture, HostedKind
from saccade.architectures.qwen_vl import serving
from saccade.architectures.qwen_vl.spec import QWEN2_VL, QWEN3_VL, QWEN25_VL

ARCHITECTURES = (
    Architecture(
        name="qwen2_vl",
        family=QWEN2_VL,
        advice=serving.QWEN2,
        hosted=HostedKind(processor="Qwen2VLProcessor", axes=3),
    ),
    Architecture(
        name="qwen2_5_vl",
        family=QWEN25_VL,
        advice=serving.QWEN25,
        presets=("qwen2.5-vl-7b",),
        hosted=HostedKind(processor="Qwen2_5_VLProcessor", axes=3),
    ),
    Architecture(
        name="qwen3_vl",
        family=QWEN3_VL,
        advice=serving.QWEN3,
        presets=("qwen3-vl-8b",),
        hosted=HostedKind(processor="Qwen3VLProcessor", axes=3),
    ),
)
