"""The survey's foveated reader: the question chooses where to look. Built and trained here, published nowhere."""

from saccade.architectures.architecture import Architecture, Composition

ARCHITECTURES = (
    Architecture(
        name="foveated",
        compositions={
            "foveated": Composition(
                summary="the question chooses where to look: patches there, ever coarser cells further out",
                fidelity="survey",
                module="saccade.architectures.foveated.reader",
            )
        },
    ),
)
