"""ALIGN: a convolutional tower beside a BERT."""

from saccade.architectures.align.spec import ALIGN
from saccade.architectures.architecture import Architecture
from saccade.architectures.settings.lines import FIXED, UNSERVED, WORDLESS, Advice

ARCHITECTURES = (
    Architecture(
        name="align",
        family=ALIGN,
        advice=Advice(transformers=FIXED, vllm=UNSERVED, lmms_eval=WORDLESS),
        presets=("align-base",),
    ),
)
