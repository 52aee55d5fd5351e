"""ColPali and ColQwen2: a vector of every position, for an index of pages."""

from saccade.architectures.architecture import Architecture
from saccade.architectures.colpali.serving import COLQWEN2 as COLQWEN2_ADVICE
from saccade.architectures.colpali.spec import COLPALI, COLQWEN2
from saccade.architectures.settings.lines import FIXED, POOLING, WORDLESS, Advice

ARCHITECTURES = (
    Architecture(
        name="colpali",
        family=COLPALI,
        advice=Advice(transformers=FIXED, vllm=POOLING, lmms_eval=WORDLESS),
        presets=("colpali-v1.3",),
    ),
    Architecture(name="colqwen2", family=COLQWEN2, advice=COLQWEN2_ADVICE, presets=("colqwen2-v1.0",)),
)
