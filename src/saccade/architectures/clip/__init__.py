"""CLIP: a vector of each image and a vector of each text."""

from saccade.architectures.architecture import Architecture
from saccade.architectures.clip.spec import CLIP
from saccade.architectures.settings.lines import FIXED, POOLING, WORDLESS, Advice

ARCHITECTURES = (
    Architecture(
        name="clip",
        family=CLIP,
        advice=Advice(transformers=FIXED, vllm=POOLING, lmms_eval=WORDLESS),
        presets=("clip-vit-l-14-336",),
    ),
)
