"""InternVL: square tiles on the canvas nearest in shape, and a thumbnail."""

from saccade.architectures.architecture import Architecture, HostedKind
from saccade.architectures.internvl.serving import INTERNVL as ADVICE
from saccade.architectures.internvl.spec import INTERNVL

ARCHITECTURES = (
    Architecture(
        name="internvl",
        family=INTERNVL,
        advice=ADVICE,
        presets=("internvl3-8b",),
        hosted=HostedKind(processor="InternVLProcessor", listed=False),
    ),
)
