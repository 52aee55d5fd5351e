"""Gemma 3 and PaliGemma."""

from saccade.architectures.architecture import Architecture, HostedKind
from saccade.architectures.gemma.serving import GEMMA3 as GEMMA3_ADVICE
from saccade.architectures.gemma.spec import GEMMA3, PALIGEMMA
from saccade.architectures.settings.lines import ALONE, FIXED, Advice

ARCHITECTURES = (
    Architecture(
        name="gemma3",
        family=GEMMA3,
        advice=GEMMA3_ADVICE,
        presets=("gemma-3-4b",),
        # Its number of tokens is fixed, so no resizing can lower it.
        hosted=HostedKind(
            processor="Gemma3Processor",
            listed=False,
            blocks=True,
            proved=("token selection", "shared prefix", "attention", "cached values"),
        ),
    ),
    Architecture(
        name="paligemma",
        family=PALIGEMMA,
        advice=Advice(transformers=FIXED, vllm=ALONE),
        presets=("paligemma-3b-448",),
        answers=True,
    ),
)
