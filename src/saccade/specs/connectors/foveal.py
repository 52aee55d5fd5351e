"""Foveal: one token a patch around a fixation, one for ever larger cells further out, then LLaVA's MLP.

Law     tokens = the cells of its rule. A budget's are the same number wherever is looked, 16 + 3k of a 16 × 16 map; of
        square and polar cells they are counted with the fixation in the middle, and are fewer elsewhere.
Used by FoveaTer's classifier, on a backbone's map; before a language model it is this project's own.
Loses   what differs inside a cell, so detail away from the fixations: whether they lie well decides everything.
Source  FoveaTer, arXiv:2105.14173, for pooling that coarsens with eccentricity. The budget, the area's vector and the
        choice of a fixation from the words of a question are this project's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.layouts.cells import Cells, Fixations, Rule, centre
from saccade.specs.parts import ConnectorSpec

DEPTH = 2
"""Layers in which words see each other and the patches."""
WIDEN = 4
"""Their feed-forwards' middle, in widths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FovealSpec(ConnectorSpec):
    """Cells by ``rule``; widths in channels.

    With ``asked`` channels the words of a question, of which the own table has ``words``, choose where to look; without
    (0) the middle is looked at. ``text`` is how many words run beside a view, counted here and given there. Each of
    ``fixations`` keeps off earlier ones by a Gaussian of ``sigma`` patches.
    """

    width_in: int
    width_out: int
    rule: Rule
    words: int = 0
    asked: int = 0
    text: int = 0
    heads: int = 4
    fixations: int = 1
    sigma: float = 2.0

    def __post_init__(self) -> None:
        if min(self.width_in, self.width_out, self.fixations, self.heads) < 1 or self.sigma <= 0:
            raise SaccadeError(f"foveal: widths, heads, fixations and sigma are above 0, got {self}")
        if self.asked < 0 or self.asked % 4 or self.asked % self.heads:
            raise SaccadeError(f"foveal: asked {self.asked} must be a multiple of 4 and of the {self.heads} heads")
        if self.asked and min(self.words, self.text) < 1:
            raise SaccadeError(
                f"foveal: a question of {self.text} words from a table of {self.words} chooses nothing; give text and "
                "words 1 or more, or leave asked at 0"
            )
        if not self.asked and self.fixations > 1:
            raise SaccadeError(
                f"foveal: {self.fixations} fixations need a question that chooses them; give asked, words and text"
            )

    @property
    def reads_prompt(self) -> bool:
        """Whether the words of a question choose where to look."""
        return self.asked > 0

    def cells(self, grid: Grid, fixations: Fixations | None = None) -> Cells:
        """Which patches stand together, in the middle unless told where is looked."""
        return self.rule.cells(grid, (centre(grid),) if fixations is None else fixations)

    def tokens(self, grid: Grid) -> int:
        """Tokens a view; of square and polar cells, with the fixation in the middle."""
        return len(self.cells(grid))

    def groups(self, grid: Grid) -> Groups:
        """The patches of each cell, looking at the middle."""
        return self.cells(grid).groups

    @property
    def exact(self) -> bool:
        """Tokens carry their own patches."""
        return True

    def cost(self, grid: Grid) -> Cost:
        """One view: the choice, where there is one, and the MLP; means count nothing."""
        tokens = self.tokens(grid)
        return count.total(
            count.weights(self.width_in),
            count.linear(tokens, self.width_in, self.width_out),
            count.linear(tokens, self.width_out, self.width_out),
            self._aim(grid) if self.asked else Cost(),
        )

    def _aim(self, grid: Grid) -> Cost:
        """Words through their layers, patches through theirs, a score for each patch."""
        width, words, patches = self.asked, self.text, grid.tokens
        layer = count.total(
            *(count.linear(words, width, width) for _ in range(6)),
            count.linear(patches, self.width_in, 2 * width),
            count.attention(words, words + patches, width),
            count.linear(words, width, WIDEN * width),
            count.linear(words, WIDEN * width, width),
            *(count.norm(width) for _ in range(3)),
        )
        return count.total(
            count.weights(self.words * width),
            count.stack(layer, DEPTH),
            count.norm(width),
            count.linear(1, width, width),
            count.linear(patches, self.width_in, width),
            count.convolution(patches, 3, 1, width),
            count.linear(patches, width, width),
            Cost(2 * patches * width),
        )

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: patches beside the cells' means or the MLP, or beside keys of the choice."""
        del eager
        patches, tokens = sum(grid.tokens for grid in grids), sum(self.tokens(grid) for grid in grids)
        pooled = tokens * (self.width_in + max(self.width_in, 2 * self.width_out))
        keys = patches * 3 * self.asked
        return (patches * self.width_in + max(pooled, keys)) * number
