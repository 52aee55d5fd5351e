"""How ColPali and ColQwen2 are set."""

from saccade.architectures.qwen_vl.serving import in_transformers
from saccade.architectures.settings.lines import Advice, says

COLQWEN2 = Advice(
    transformers=in_transformers,
    vllm=says("vLLM does not support {name}; it does ColPali"),
    lmms_eval=says("lmms-eval judges written answers, and {name} writes none"),
)
