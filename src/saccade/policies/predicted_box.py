"""Self-box: the model says in numbers where the evidence is.

Law     one look for the box, one for the answer, after the first look that may be enough. What is no box, or not inside
        the picture, leaves the first answer.
Used with models that were trained to give boxes (Qwen-VL, Gemma 3, InternVL); of others the box is noise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from saccade.core.box import Box
from saccade.core.caps import Cap
from saccade.core.request import Ask, ImageRegion
from saccade.core.size import Size
from saccade.policies.base import PolicyInput, Step, ask
from saccade.policies.wording import wording
from saccade.policies.zoom import Located, Zoom

THOUSAND = 1000
"""What coordinates are asked to be relative to."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class PredictedBox(Zoom):
    """See the module. ``margin`` is wider than where a map says it: half of the box on all sides."""

    margin: float = 0.5

    @property
    def requires(self) -> Mapping[str, Cap]:
        """See ``Policy``."""
        return {"": Cap.GENERATE | Cap.INSTRUCT | (Cap.MULTI_IMAGE if self.both else Cap(0))}

    def locate(self, asked: PolicyInput, sight: ImageRegion) -> Step[Located]:
        """See ``Zoom``."""
        said = yield from ask(
            Ask(
                sights=(sight,),
                question=wording().box.format(question=asked.question),
                max_tokens=48,
                model=asked.model,
                reason="where does it say that the evidence is?",
            )
        )
        box = read_box(said.text, asked.size)
        return ((box,) if box is not None else ()), None


def read_box(text: str, size: Size) -> Box | None:
    """The first four numbers of ``text`` as a box of a picture of ``size``; None where they make none of at least one
    pixel inside it. Numbers that all lie between 0 and 1 are shares, others thousandths.
    """
    numbers = [float(found) for found in NUMBER.findall(text)[:4]]
    if len(numbers) < 4 or not all(0 <= number <= THOUSAND for number in numbers):
        return None
    unit = 1 if all(number <= 1 for number in numbers) else THOUSAND
    left, top, right, bottom = (number / unit for number in numbers)
    if right <= left or bottom <= top:
        return None
    box = Box(left, top, right, bottom).scale(size.width, size.height)
    return box if box.width >= 1 and box.height >= 1 else None
