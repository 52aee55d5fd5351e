"""A picture once it was encoded: its visual tokens and where they come from; and examples in a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Groups
from saccade.core.ledger import Ledger
from saccade.core.view import Layout
from saccade.specs.reader import ReaderSpec
from saccade.specs.retriever import RetrieverSpec
from saccade.views.sample import Pixels, sample_all

VIEWS_AT_ONCE = 16
"""Views that go through a tower in one batch: large enough to fill two cores, small enough to stay near them."""
Kept = Int[Tensor, "_"]
"""Numbers of the visual tokens of one picture that are read, the others being dropped."""


@dataclass(frozen=True, eq=False)
class ViewBatch:
    """Views of one size that went through a tower together: their ``numbers`` over all pictures in reading order, their
    ``pixels`` as it takes them, and its ``patches``.
    """

    numbers: tuple[int, ...]
    pixels: Float[Tensor, "views 3 height width"]
    patches: Float[Tensor, "views patches channels"]


@dataclass(frozen=True, eq=False)
class Patches:
    """Pictures as a tower sees them, before any connector: equal for all readers that differ from there on alone."""

    layouts: tuple[Layout, ...]
    batches: tuple[ViewBatch, ...]


@dataclass(frozen=True, eq=False)
class Encoded:
    """One picture's visual tokens as they are read; ``groups`` name each view's tokens' patches, row by row.

    Of a connector that reads the prompt too (InstructBLIP's) ``tokens`` are its view's patches: what becomes of them
    is known with the prompt. ``fixations`` are the patches that were looked at, where some were chosen.
    """

    spec: ReaderSpec
    layout: Layout
    tokens: Float[Tensor, "tokens width"]
    groups: tuple[Groups, ...]
    fixations: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Visual tokens that the language model reads."""
        return sum(map(len, self.groups))

    @cached_property
    def ledger(self) -> Ledger:
        """Which source pixels each token carries."""
        return self.spec.ledger(self.layout, list(self.groups))

    @cached_property
    def cells(self) -> np.ndarray:
        """The box of source pixels under each token (tokens × 4), without area where a token stands on padding."""
        bounds = (self.ledger.bounds(token) for token in range(self.count))
        return np.asarray([(0.0,) * 4 if box is None else box.sides for box in bounds]).reshape(-1, 4)

    @property
    def path(self) -> tuple[Box, ...]:
        """The places that were fixated, in their order."""
        return tuple(Box(*map(float, self.ledger.cells[patch])) for patch in self.fixations)


@dataclass(frozen=True, eq=False)
class Shot:
    """One example in a prompt: a picture, what was asked about it, and the right answer."""

    encoded: Encoded
    question: str
    answer: str


def pixels_of(spec: ReaderSpec | RetrieverSpec, picture: Image.Image, layout: Layout) -> list[Pixels]:
    """Each view's pixels as ``spec`` samples and frames them."""
    views = spec.views
    resample = Image.Resampling[spec.resample.upper()]
    return sample_all(picture, layout, resample=resample, colour=views.padding, pasted=views.pasted)


def check_lists(
    encoded: Sequence[Encoded],
    questions: Sequence[Sequence[str]],
    keep: Sequence[Kept] | None,
    shots: Sequence[Sequence[Shot]],
) -> None:
    """Refuses lists of unequal length."""
    lengths = {len(encoded), len(questions), len(shots), len(encoded) if keep is None else len(keep)}
    if len(lengths) > 1:
        kept = "" if keep is None else f" and {len(keep)} lists of kept tokens"
        told = "" if len(shots) == len(encoded) else f" and {len(shots)} lists of shots"
        raise SaccadeError(
            f"{len(encoded)} pictures but {len(questions)} lists of questions{kept}{told}; give one each"
        )


def numbered(kept: Sequence[Sequence[int]], row: Sequence[Encoded]) -> set[int]:
    """Numbers of kept tokens as they are counted over all pictures of a row."""
    numbers, first = set[int](), 0
    for chosen, picture in zip(kept, row, strict=True):
        numbers |= {first + number for number in chosen}
        first += picture.count
    return numbers


def in_order(numbers: Kept, tokens: int) -> list[int]:
    """``numbers`` in order, each once. Raises SaccadeError where they name no token."""
    kept = sorted(set(numbers.tolist()))
    if kept and not 0 <= kept[0] <= kept[-1] < tokens:
        raise SaccadeError(
            f"keep names token {kept[-1] if kept[0] >= 0 else kept[0]}, the picture has 0 to {tokens - 1}"
        )
    return kept
