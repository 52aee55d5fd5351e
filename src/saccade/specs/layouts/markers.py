"""Positions that a picture adds to the sequence, counted by rule: for systems that are planned and not built here.

Law     slots = visual tokens + markers; text around a picture is prompt, never a slot.
Used by the families in ``specs/families``; what is built here has its markers' ids in ``specs/layouts/sequence.py``.
Source  each family's processor in transformers, or the authors' code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.view import Layout


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedSequence:
    """``each`` marker positions a view, ``whole`` a picture, ``between`` two slices; a video's steps count as views."""

    each: int = 0
    whole: int = 0
    between: int = 0

    def slots(self, layout: Layout, tokens: Sequence[int]) -> int:
        """``tokens`` counts each view's visual tokens."""
        gaps = 0 if layout.slices is None else layout.slices.tokens - 1
        one = sum(tokens) + self.each * len(layout.views) + self.between * gaps
        return one * layout.times + self.whole


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaceholderSequence:
    """``count`` positions a picture; its tokens are read by cross-attention, or nowhere."""

    count: int

    def slots(self, layout: Layout, tokens: Sequence[int]) -> int:
        """The same for every picture."""
        del tokens
        return self.count * layout.times


@dataclass(frozen=True, kw_only=True, slots=True)
class TaggedCount:
    """Idefics3 and SmolVLM, counted: two markers a tile, one newline a row, three around the whole and its gap.

    ``gap`` is how many ids a blank line has, 1 in the released vocabularies.
    """

    gap: int = 1

    def slots(self, layout: Layout, tokens: Sequence[int]) -> int:
        """``tokens`` counts each view's visual tokens."""
        grid = layout.slices
        cut = 0 if grid is None else 2 * grid.tokens + grid.rows + self.gap - 1
        return (sum(tokens) + cut + 3) * layout.times
