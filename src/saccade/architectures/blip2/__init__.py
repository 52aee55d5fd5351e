"""BLIP-2 and InstructBLIP: a Q-Former whose queries stand before a frozen language model."""

from saccade.architectures.architecture import Architecture, Composition, Loader
from saccade.architectures.blip2.spec import BLIP2, INSTRUCTBLIP
from saccade.architectures.settings.lines import ALONE, FIXED, UNSERVED, Advice, evaluates

_FOLDED = (
    "the published code makes keys and values of all patches in every layer that reads them, and runs the last layer "
    "on all positions; here matrices are folded into the queries where that is less, and only what is read is computed"
)
_CHECKPOINT = "saccade.architectures.blip2.checkpoint:composed"

ARCHITECTURES = (
    Architecture(
        name="blip-2",
        family=BLIP2,
        advice=Advice(transformers=FIXED, vllm=ALONE),
        presets=("blip2-opt-2.7b",),
        compositions={
            "blip2": Composition(
                summary="32 learned queries read EVA-CLIP patches in several layers, and stand before a frozen "
                "language model",
                fidelity="exact",
                module="saccade.architectures.blip2.reader",
            )
        },
        composed={"blip2-opt-2.7b": ("blip2", "opt-2.7b")},
        differs={"connector": _FOLDED},
        loaders=(
            Loader(function=_CHECKPOINT, types=("blip-2",)),
            Loader(function="saccade.architectures.blip2.lavis:composed", pieces="lavis-blip2"),
        ),
    ),
    Architecture(
        name="instructblip",
        family=INSTRUCTBLIP,
        advice=Advice(transformers=FIXED, vllm=UNSERVED, lmms_eval=evaluates("instructblip")),
        presets=("instructblip-7b",),
        compositions={
            "instructblip": Composition(
                summary="BLIP-2 whose queries read the instruction too",
                fidelity="exact",
                module="saccade.architectures.blip2.reader_instruct",
            )
        },
        composed={"instructblip-7b": ("instructblip", "vicuna-7b")},
        differs={"connector": _FOLDED},
        loaders=(Loader(function=_CHECKPOINT, types=("instructblip",)),),
    ),
)
