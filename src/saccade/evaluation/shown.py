"""Pictures picked for the report: what each reader saw of them, and what it said."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.ledger import Ledger
from saccade.core.view import Layout
from saccade.tasks.exam import Question


@dataclass(frozen=True, slots=True, eq=False)
class ShownLook:
    """One reader's look at one picture: its ``answer``, whether it was ``right``, and where its tokens come from.

    ``slots`` is None where nobody knows. ``watched`` is the share of the queries' attention that each of the ledger's
    cells gets, where tokens are queries; ``path`` the places that were fixated, in their order; ``regions`` what the
    picture was taken apart into.
    """

    reader: str
    answer: str
    right: bool
    layout: Layout
    ledger: Ledger
    visual_tokens: int
    slots: int | None
    watched: np.ndarray | None = None
    path: tuple[Box, ...] = ()
    regions: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ShownImage:
    """A picture, one question about it, and all looks at it in the order in which to show them."""

    name: str
    image: Image.Image
    question: Question
    seen: tuple[ShownLook, ...]

    def __post_init__(self) -> None:
        for look in self.seen:
            laid = (look.layout.size.width, look.layout.size.height)
            if laid != self.image.size:
                raise SaccadeError(
                    f"{look.reader} saw {self.name} at {laid[0]}×{laid[1]} px, but the picture is "
                    f"{self.image.width}×{self.image.height} px; show the picture that was read"
                )
