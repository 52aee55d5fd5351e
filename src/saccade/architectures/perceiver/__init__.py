"""Perceiver IO, and the survey's Perceiver connector before a language model."""

from saccade.architectures.architecture import Architecture, Composition, Loader
from saccade.architectures.perceiver.spec import PERCEIVER
from saccade.architectures.settings.lines import FIXED, UNSERVED, WORDLESS, Advice

ARCHITECTURES = (
    Architecture(
        name="perceiver",
        family=PERCEIVER,
        advice=Advice(transformers=FIXED, vllm=UNSERVED, lmms_eval=WORDLESS),
        presets=("perceiver-fourier",),
        compositions={
            "perceiver": Composition(
                summary="latents read all patches once and think in layers of their own before they are handed on",
                fidelity="survey",
                module="saccade.architectures.perceiver.reader",
            )
        },
        loaders=(
            Loader(function="saccade.architectures.perceiver.checkpoint:loaded", types=("perceiver",), whole=True),
        ),
    ),
)
