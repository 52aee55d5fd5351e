"""IDEFICS, the first of that name: Flamingo over Llama."""

from saccade.architectures.architecture import Architecture, Loader
from saccade.architectures.idefics.spec import IDEFICS
from saccade.architectures.settings.lines import FIXED, UNEVALUATED, UNSERVED, Advice

ARCHITECTURES = (
    Architecture(
        name="idefics",
        family=IDEFICS,
        advice=Advice(transformers=FIXED, vllm=UNSERVED, lmms_eval=UNEVALUATED),
        presets=("idefics-9b",),
        differs={
            "vision": "transformers holds a norm behind the tower's last layer, of which nothing is read",
            "language": "transformers keeps the added tokens in a table of their own; here all tokens share one",
        },
        loaders=(Loader(function="saccade.architectures.idefics.checkpoint:composed", types=("idefics",)),),
    ),
)
