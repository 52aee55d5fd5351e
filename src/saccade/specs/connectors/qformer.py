"""Q-Former: learned queries read all patches in several layers, and words beside them may say what to look for.

Law     tokens = queries, whatever the view: 257 patches become 32 tokens, 8 to 1.
Used by BLIP-2 (queries alone before a language model; queries and words in its first stage), InstructBLIP (queries
        that read the instruction).
Loses   what no query asks for; a query is no place, so its ledger entry is *by attention*.
Source  BLIP-2, arXiv:2301.12597, section 3; InstructBLIP, arXiv:2305.06500; sizes and the order of a layer's steps as
        in their transformers classes, the first stage's masks as in LAVIS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.laws import count
from saccade.specs.laws.layer import LayerSpec, plain, softmax_bytes
from saccade.specs.parts import ConnectorSpec

AT_ONCE = 2
"""Views that a CPU reads in one step where it folds: with more, what lies between the products leaves its caches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QFormerSpec(ConnectorSpec):
    """``queries`` through ``depth`` layers of BERT, patches of ``width_in`` read in layers 0, ``every``, 2 ``every`` …

    ``width_out`` is that of the matrix behind the last layer, 0 where states are used as they are. ``extra`` tokens (a
    class token) stand in front of a view's patches and are read with them. ``vocabulary`` and ``positions`` are rows of
    the tables of words, with which comes a second feed-forward a layer; without words, 0. ``text`` is how many
    positions of instruction run beside the queries when a view is read: InstructBLIP's, counted here, given there.

    ``lean`` does less for the same numbers: see ``folds``, and in the last layer only what is read behind it. Without
    it runs, and is counted, what transformers runs.
    """

    width_in: int
    width_out: int
    queries: int = 32
    depth: int = 12
    width: int = 768
    heads: int = 12
    middle: int = 3072
    every: int = 2
    extra: int = 1
    vocabulary: int = 0
    positions: int = 512
    eps: float = 1e-12
    text: int = 0
    lean: bool = True

    def __post_init__(self) -> None:
        least = min(self.width_in, self.queries, self.depth, self.width, self.heads, self.middle, self.every)
        if least < 1 or min(self.width_out, self.extra, self.vocabulary, self.text) < 0:
            raise SaccadeError(f"qformer: sizes are 1 or more, and 0 or more for what may be absent; got {self}")
        if self.width % self.heads:
            raise SaccadeError(f"qformer: {self.heads} heads do not divide width {self.width}; change one of them")
        if self.text and not self.vocabulary:
            raise SaccadeError(
                f"qformer: {self.text} positions of text need a table of words, got a vocabulary of 0; "
                "BERT's has 30522 rows"
            )
        if self.vocabulary and self.text > self.positions:
            raise SaccadeError(f"qformer: {self.text} positions of text are more than the {self.positions} it can hold")

    def tokens(self, grid: Grid) -> int:
        """Tokens a view, the same for every grid."""
        del grid
        return self.queries

    @property
    def reads_prompt(self) -> bool:
        """Whether a view is read with an instruction beside the queries."""
        return self.text > 0

    @property
    def own_tokenizer(self) -> bool:
        """BERT's words, whatever the language model's are."""
        return True

    @property
    def channels(self) -> int:
        """Of a token: behind the projection, or of a state where there is none."""
        return self.width_out or self.width

    @property
    def crossing(self) -> int:
        """Layers that read patches."""
        return -(-self.depth // self.every)

    @property
    def layer(self) -> LayerSpec:
        """One layer as the queries see it, the patches apart."""
        return plain(self.width, self.heads, self.middle)

    def folds(self, patches: int) -> bool:
        """Whether keys and values of ``patches`` are cheaper on the queries' side, class tokens counted.

        Scores are q (W x) = (q W) x, and a sum of values is W (softmax · x) + b, so the two matrices may be applied to
        queries × heads vectors instead of to every patch; a key's bias adds the same to all scores of a query, which
        softmax takes out again. Worth it where patches are wide and queries few.
        """
        rows, inner, source = self.heads * self.queries, self.width, self.width_in
        on_queries = self.queries * inner * source + rows * patches * source
        on_patches = patches * source * inner + self.queries * patches * inner
        return self.lean and on_queries < on_patches

    def cost(self, grid: Grid) -> Cost:
        """One view."""
        out = count.linear(self.queries, self.width, self.width_out) if self.width_out else Cost()
        return self.encode(grid) + out

    def encode(self, grid: Grid, text: int | None = None) -> Cost:
        """One view up to the queries' states, beside ``text`` positions, those of the spec unless given."""
        text = self.text if text is None else text
        width, length = self.width, self.queries + text
        last = self._layer(length, self.queries if self.lean else length)
        return count.total(
            count.stack(self._layer(length, length), self.depth - 1),
            last,
            count.stack(self._read(grid.tokens + self.extra), self.crossing),
            count.weights(self.queries * width + 2 * width),
            count.weights((self.vocabulary + self.positions) * width if self.vocabulary else 0),
        )

    def _layer(self, length: int, rows: int) -> Cost:
        """Self-attention over ``length`` positions and feed-forwards, of which the first ``rows`` are wanted."""
        text = self.layer.feed.cost(rows - self.queries) + count.norm(self.width) if self.vocabulary else Cost()
        return count.total(
            *(count.linear(tokens, self.width, self.width) for tokens in (rows, length, length, rows)),
            count.attention(rows, length, self.width),
            self.layer.feed.cost(self.queries),
            text,
            count.norm(self.width),
            count.norm(self.width),
        )

    def _read(self, keys: int) -> Cost:
        """One layer's look at the patches."""
        width, source = self.width, self.width_in
        asked, held = count.linear(self.queries, width, width), count.weights(2 * (source * width + width))
        if self.folds(keys):
            moved = 4 * self.queries * source * width + 4 * self.heads * self.queries * keys * source
        else:
            moved = 4 * keys * source * width + 4 * self.queries * keys * width
        return count.total(asked, asked, held, Cost(moved), count.norm(width))

    def peak(self, grids: Sequence[Grid], number: int, *, eager: bool) -> int:
        """Bytes alive at the worst moment: what the patches are read through, or the queries' feed-forward.

        A lean one is counted as it runs on a CPU.
        """
        views, keys = len(grids), sum(grid.tokens + self.extra for grid in grids)
        asked = views * self.queries * self.width
        if grids and self.folds(keys // views):
            rows, few = self.heads * self.queries, min(views, AT_ONCE)
            folded = few * rows * (few * self.width_in + keys // views)  # of one view nothing is copied
            read = (keys * self.width_in + 4 * asked + folded) * number
        else:
            scores = softmax_bytes(self.heads * self.queries * keys if eager else 0, number)
            read = keys * (self.width_in + 2 * self.width) * number + scores
        return max(read, self.layer.peak(views * (self.queries + self.text), 0, number))
