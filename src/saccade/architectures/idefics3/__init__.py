"""Idefics2: native shapes and 64 latents. Idefics3 and SmolVLM: square tiles, pixel shuffle."""

from saccade.architectures.architecture import Architecture, Composition, HostedKind
from saccade.architectures.idefics3 import serving
from saccade.architectures.idefics3.spec import IDEFICS2, IDEFICS3, SMOLVLM

ARCHITECTURES = (
    Architecture(name="idefics2", family=IDEFICS2, advice=serving.IDEFICS2, presets=("idefics2-8b",), answers=True),
    Architecture(
        name="idefics3",
        family=IDEFICS3,
        advice=serving.IDEFICS3,
        presets=("idefics3-8b",),
        compositions={
            "idefics": Composition(
                summary="square tiles and a global view, SigLIP patches folded by pixel shuffle",
                fidelity="faithful",
                module="saccade.architectures.idefics3.reader",
            )
        },
        # SmolVLM 256M calls itself an Idefics3.
        composed={"smolvlm-256m": ("idefics", "smolvlm-256m")},
        differs={"connector": "the published code holds the tower's patches while it folds them"},
        # Towers list their tokens per image from 5.21 on alone.
        hosted=HostedKind(processor="Idefics3Processor", axis=1, listed=False),
    ),
    Architecture(
        name="smolvlm",
        family=SMOLVLM,
        advice=serving.SMOLVLM,
        presets=("smolvlm-256m", "smolvlm-2.2b"),
        # Its own class needs packages for videos; this one writes the same text.
        hosted=HostedKind(processor="Idefics3Processor", axis=1, listed=False),
    ),
)
