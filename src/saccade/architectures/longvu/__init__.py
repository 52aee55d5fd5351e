"""LongVU: two towers a frame, and a budget of positions for the whole video."""

from saccade.architectures.architecture import Architecture
from saccade.architectures.longvu.serving import LONGVU as ADVICE
from saccade.architectures.longvu.spec import LONGVU

ARCHITECTURES = (Architecture(name="longvu", family=LONGVU, advice=ADVICE, presets=("longvu-7b",)),)
