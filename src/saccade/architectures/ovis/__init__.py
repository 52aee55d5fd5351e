"""Ovis2 and Ovis2.5: tokens are mixtures of a visual vocabulary."""

from saccade.architectures.architecture import Architecture
from saccade.architectures.ovis import serving
from saccade.architectures.ovis.spec import OVIS2, OVIS25

ARCHITECTURES = (
    Architecture(name="ovis2", family=OVIS2, advice=serving.OVIS2, presets=("ovis2-8b",), answers=True),
    Architecture(name="ovis2_5", family=OVIS25, advice=serving.OVIS25, presets=("ovis2.5-9b",)),
)
