"""The survey's foveated reader: the question chooses where to look. Built and trained here, published nowhere."""

from saccade.architectures.architecture import Architecture, Composition
from saccade.architectures.foveated import reader

ARCHITECTURES = (
    Architecture(
        name="foveated",
        compositions={
            "foveated": Composition(
                summary="the question chooses where to look: patches there, ever coarser cells further out",
                fidelity="survey",
                presets=reader.PRESETS,
                assumptions=reader.ASSUMPTIONS,
            )
        },
    ),
)
