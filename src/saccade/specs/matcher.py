"""Matcher: a Q-Former with words and heads that tell which text belongs to which picture, and write one.

Law     one similarity for every pair of picture and text from tokens made apart; one decision for a pair read together.
Used by BLIP-2's first stage, and its retrieval model.
Loses   nothing more than its Q-Former.
Source  BLIP-2, arXiv:2301.12597, section 3.1; heads as in LAVIS.
"""

from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.laws import count


@dataclass(frozen=True, kw_only=True, slots=True)
class MatcherSpec:
    """``embed`` is the width in which pictures and texts are compared.

    Texts begin with the token ``cls`` and are filled up with ``pad``; one that is to be written begins with ``dec``.
    Where that is None the matcher only judges: the head that writes and the temperature, which training needs, are
    left out. The numbers are those of BERT's vocabulary with one row added to it.
    """

    qformer: QFormerSpec
    embed: int = 256
    pad: int = 0
    cls: int = 101
    dec: int | None = 30_522

    def __post_init__(self) -> None:
        ids, rows = [one for one in (self.pad, self.cls, self.dec) if one is not None], self.qformer.vocabulary
        if self.embed < 1:
            raise SaccadeError(f"matcher: pictures and texts are compared in 1 channel or more, got {self.embed}")
        if len(set(ids)) < len(ids) or not 0 <= min(ids) <= max(ids) < rows:
            raise SaccadeError(
                f"matcher: pad, cls and dec are different rows of a table of {rows} words, got {ids}; "
                "give its Q-Former a vocabulary that holds them (BERT's and one more: 30523)"
            )
        if self.qformer.width_out or self.qformer.text:
            raise SaccadeError(
                f"matcher: its heads read the Q-Former's states, got width_out {self.qformer.width_out} and text "
                f"{self.qformer.text}; set both to 0"
            )

    def cost(self, grid: Grid, text: int) -> Cost:
        """One picture and one text of ``text`` positions, read together and decided on."""
        width = self.qformer.width
        writes = count.linear(0, width, width).params + 2 * width + self.qformer.vocabulary
        return count.total(
            self.qformer.encode(grid, text),
            count.linear(1, width, 2),
            Cost(0, 2 * count.linear(0, width, self.embed).params),
            Cost(0, 0 if self.dec is None else writes + 1),
        )
