"""The survey's object-centric reader: masks of objects, one embedding each."""

from saccade.architectures.architecture import PADDED_VOCABULARY, Architecture, Composition
from saccade.architectures.object_centric.serving import OBJECT_CENTRIC as ADVICE
from saccade.architectures.object_centric.spec import OBJECT_CENTRIC

ARCHITECTURES = (
    Architecture(
        name="object_centric",
        family=OBJECT_CENTRIC,
        advice=ADVICE,
        presets=("object-centric",),
        compositions={
            "object-centric": Composition(
                summary="masks of objects, one embedding each, spread over a raster of 144 tokens",
                fidelity="survey",
                module="saccade.architectures.object_centric.reader",
            )
        },
        composed={"object-centric": ("object-centric", "7b")},
        differs={
            "vision": "the survey takes SAM's masks; the composition finds regions of one colour without a network",
            "language": PADDED_VOCABULARY,
        },
    ),
)
