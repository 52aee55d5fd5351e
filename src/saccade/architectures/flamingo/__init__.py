"""OpenFlamingo: latents, read by gated cross-attention inside a frozen language model."""

from saccade.architectures.architecture import Architecture, Composition, Loader
from saccade.architectures.flamingo.spec import OPEN_FLAMINGO
from saccade.architectures.settings.lines import CLASSLESS, UNEVALUATED, UNSERVED, Advice

ARCHITECTURES = (
    Architecture(
        name="open_flamingo",
        family=OPEN_FLAMINGO,
        advice=Advice(transformers=CLASSLESS, vllm=UNSERVED, lmms_eval=UNEVALUATED),
        presets=("openflamingo-9b",),
        compositions={
            "flamingo": Composition(
                summary="64 latents a picture, read by gated cross-attention inside a frozen language model",
                fidelity="faithful",
                module="saccade.architectures.flamingo.reader",
            )
        },
        loaders=(Loader(function="saccade.architectures.flamingo.checkpoint:composed", pieces="openflamingo"),),
    ),
)
