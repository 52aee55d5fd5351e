"""Q-Former: learned queries read all patches in several layers, alone or beside words.

See ``specs/connectors/qformer.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.core.errors import SaccadeError, unknown
from saccade.core.grid import Grid
from saccade.nn.bert import BertLayer, CrossAttention, Keys, Pair
from saccade.specs.connectors.qformer import QFormerSpec

Mask = Literal["unimodal", "bidirectional", "causal"]
MASKS: tuple[Mask, ...] = ("unimodal", "bidirectional", "causal")
"""Who sees whom: each its own kind; everyone everyone; queries each other, and a word the queries and words before it.

Padding is seen by nobody.
"""


Image = Keys | Float[Tensor, "_ patches width_in"]
"""What queries read: patches as they come from the tower, or keys and values that were made of them."""


@final
@dataclass(frozen=True, slots=True)
class States:
    """What the last layer puts out; ``memory`` is what words that come later need to know of the queries."""

    queries: Float[Tensor, "views queries width"] | None = None
    text: Float[Tensor, "views length width"] | None = None
    memory: tuple[Pair, ...] = ()


@final
class QFormer(nn.Module):
    """``spec`` fixes every size. Weights are drawn as BERT's; queries too, where transformers starts them all at zero:
    then they are equal, get equal gradients, and can never be trained apart. No dropout.

    ``look`` holds the key and value matrices of all reading layers on top of each other: one product makes them all.
    """

    def __init__(self, spec: QFormerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.queries = nn.Parameter(torch.empty(1, spec.queries, spec.width))
        self.norm = nn.LayerNorm(spec.width, eps=spec.eps)
        self.words = nn.Embedding(spec.vocabulary, spec.width) if spec.vocabulary else None
        self.places = nn.Embedding(spec.positions, spec.width) if spec.vocabulary else None
        self.layers = nn.ModuleList(
            BertLayer(
                spec.width,
                spec.heads,
                spec.middle,
                spec.eps,
                reads=number % spec.every == 0,
                words=spec.vocabulary > 0,
            )
            for number in range(spec.depth)
        )
        self.look = nn.Linear(spec.width_in, spec.crossing * 2 * spec.width)
        self.project = nn.Linear(spec.width, spec.width_out) if spec.width_out else nn.Identity()
        nn.init.normal_(self.queries, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(
        self, patches: Float[Tensor, "views patches {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.queries} {self.spec.channels}"]:
        """Patches in row order over ``grid``, class token first, to one token a query."""
        self._counted(patches, grid)
        return self.project(self._run(self._asking(), patches)[0])

    def instructed(
        self, image: Image, ids: Int[Tensor, "views length"], real: Bool[Tensor, "views length"] | None = None
    ) -> Float[Tensor, "views {self.spec.queries} {self.spec.channels}"]:
        """The same by queries that read the words of an instruction too; padding is where ``real`` is false."""
        states = self.read(image, ids, real, mask="bidirectional", rows=self.spec.queries)
        assert states.queries is not None
        return self.project(states.queries)

    def prompted(
        self,
        patches: Float[Tensor, "views patches {self.spec.width_in}"],
        grid: Grid,
        words: Int[Tensor, "questions length"],
        real: Bool[Tensor, "questions length"],
        of: Int[Tensor, " questions"],
    ) -> Float[Tensor, "questions {self.spec.queries} {self.spec.channels}"]:
        """Tokens of the view that each question is about, ``of`` is its number; ``words`` are padding where not
        ``real``.
        """
        self._counted(patches, grid)
        return self.instructed(patches.index_select(0, of), words, real)

    def image(self, patches: Float[Tensor, "views patches {self.spec.width_in}"]) -> Keys:
        """Keys and values for every layer that reads patches."""
        return Keys(self.look(patches), self.spec.heads, self.spec.crossing)

    def read(
        self,
        image: Image | None = None,
        ids: Int[Tensor, "views length"] | None = None,
        real: Bool[Tensor, "views length"] | None = None,
        *,
        mask: Mask = "unimodal",
        rows: int | None = None,
    ) -> States:
        """Queries over ``image``, words ``ids``, or both, each of which ``mask`` lets see what ``MASKS`` says.

        Of what runs through the layers together, queries first, the first ``rows`` positions are wanted: the last layer
        does no more than they need.
        """
        if mask not in MASKS:
            raise unknown("mask of the Q-Former", mask, MASKS)
        if image is None and ids is None:
            raise SaccadeError("the Q-Former was given nothing to read: hand in an image, words, or both")
        if image is not None and ids is not None and mask != "unimodal":
            return self._together(image, ids, real, rows, causal=mask == "causal")
        queries, memory, text = None, (), None
        if image is not None:
            queries, memory = self._run(self._asking(), image, rows=rows, keep=True)
        if ids is not None:
            whole = None if real is None else real[:, None, None, :]
            allow = self._past(ids, real) if mask == "causal" else whole
            text, _ = self._run(self._worded(ids, real), None, allow=allow, rows=rows)
        return States(queries, text, memory)

    def write(
        self,
        memory: Sequence[Pair],
        ids: Int[Tensor, "views length"],
        real: Bool[Tensor, "views length"] | None = None,
    ) -> Float[Tensor, "views length width"]:
        """Words that see the queries behind ``memory`` and the words before them: the causal mask, in a second pass."""
        seen = memory[0][0].shape[2]
        allow = F.pad(self._past(ids, real), (seen, 0), value=True)
        return self._run(self._worded(ids, real), None, allow=allow, before=memory)[0]

    def attention(
        self,
        patches: Float[Tensor, "views patches {self.spec.width_in}"],
        grid: Grid,
        ids: Int[Tensor, "views length"] | None = None,
        real: Bool[Tensor, "views length"] | None = None,
    ) -> Float[Tensor, "views {self.spec.queries} {grid.tokens}"]:
        """How much each query looks at each patch, the mean over heads and layers; class tokens left out, so that every
        query's sum is 1. With ``ids``, beside that instruction.
        """
        self._counted(patches, grid)
        x, allow, watch = self._asking(), None, []
        if ids is not None:
            x = torch.cat([x.expand(len(patches), -1, -1), self._worded(ids, real)], dim=1)
            allow = self._padded(real)
        self._run(x, self.image(patches), allow=allow, watch=watch)
        seen = torch.stack(watch).mean(dim=0)[..., self.spec.extra :]
        return seen / seen.sum(dim=-1, keepdim=True)

    def _together(self, image: Image, ids: Tensor, real: Tensor | None, rows: int | None, *, causal: bool) -> States:
        """Queries and words in one pass."""
        queries, words = self.spec.queries, self._worded(ids, real)
        if len(words) != len(image):
            raise SaccadeError(f"the Q-Former was given {len(image)} images and {len(words)} texts; pair them")
        x = torch.cat([self._asking().expand(len(image), -1, -1), words], dim=1)
        if causal:
            allow = F.pad(self._past(ids, real), (queries, 0), value=True)
            allow = F.pad(allow, (0, 0, queries, 0), value=False)  # a query's row: no word
            allow[:, :, :queries, :queries] = True
        else:
            allow = self._padded(real)
        x, _ = self._run(x, image, allow=allow, rows=rows)
        return States(x[:, :queries], x[:, queries:] if x.shape[1] > queries else None)

    def _run(
        self,
        x: Float[Tensor, "_ length width"],
        image: Image | None,
        *,
        allow: Bool[Tensor, "_ 1 #length seen"] | None = None,
        before: Sequence[Pair] = (),
        rows: int | None = None,
        keep: bool = False,
        watch: list[Tensor] | None = None,
    ) -> tuple[Float[Tensor, "_ rows width"], tuple[Pair, ...]]:
        """All layers. The queries stand first where there is an ``image``, and are absent where there is none.

        ``keep`` hands back each layer's keys and values, ``watch`` is given what each reading layer looked at.
        """
        queries, memory = 0 if image is None else self.spec.queries, []
        wanted = rows if self.spec.lean else None
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, BertLayer)
            last = number == self.spec.depth - 1
            x, pair = layer.attention(
                x, allow, before=before[number] if before else None, rows=wanted if last else None
            )
            if keep:
                memory.append(pair)
            del pair
            x, words = x[:, :queries], x[:, queries:]
            if image is not None and layer.cross is not None:
                if watch is not None:
                    assert isinstance(image, Keys)
                    watch.append(layer.cross.weights(x, image.pair(number // self.spec.every)[0]))
                x = self._cross(layer.cross, x, image, number // self.spec.every)
            parts = [layer.feed(x)] if queries else []
            if layer.feed_text is not None and words.shape[1]:
                parts.append(layer.feed_text(words))
            x = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return x[:, :rows], tuple(memory)

    def _cross(self, cross: CrossAttention, x: Tensor, image: Image, layer: int) -> Tensor:
        """The queries' look at the patches in the way that costs least, unless keys and values are there already."""
        if isinstance(image, Keys):
            return cross(x, image.pair(layer))
        at = slice(2 * layer * self.spec.width, 2 * (layer + 1) * self.spec.width)
        weight, bias = self.look.weight[at], self.look.bias[at]
        if self.spec.folds(image.shape[1]):
            return cross.folded(x, image, weight, bias)
        return cross(x, Keys(F.linear(image, weight, bias), self.spec.heads, 1).pair(0))

    def _asking(self) -> Float[Tensor, "1 queries width"]:
        """The queries as they enter. One row of them until they have seen an image: they are the same for all."""
        return self.norm(self.queries)

    def _worded(self, ids: Tensor, real: Tensor | None) -> Float[Tensor, "views length width"]:
        """Words as they enter. Raises SaccadeError where there is no table of them, or where they are too many."""
        if self.words is None or self.places is None:
            raise SaccadeError("this Q-Former has no words; give its spec a vocabulary, BERT's has 30522 rows")
        if ids.shape[1] > self.spec.positions:
            raise SaccadeError(f"the Q-Former holds {self.spec.positions} words, got {ids.shape[1]}; shorten the text")
        if real is not None and real.shape != ids.shape:
            raise SaccadeError(f"real says of each word whether it is one: {list(ids.shape)}, got {list(real.shape)}")
        return self.norm(self.words(ids) + self.places.weight[: ids.shape[1]])

    def _past(self, ids: Tensor, real: Tensor | None) -> Bool[Tensor, "#views 1 length length"]:
        """Each word sees itself and those before it."""
        past = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).tril()[None, None]
        return past if real is None else past & real[:, None, None, :]

    def _padded(self, real: Tensor | None) -> Bool[Tensor, "views 1 1 seen"] | None:
        """Queries and words that are seen by everyone."""
        return None if real is None else F.pad(real[:, None, None, :], (self.spec.queries, 0), value=True)

    def _counted(self, patches: Tensor, grid: Grid) -> None:
        """Raises SaccadeError where a class token is missing or too much."""
        expected = grid.tokens + self.spec.extra
        if patches.shape[1] != expected:
            raise SaccadeError(
                f"the Q-Former reads {grid.tokens} patches and {self.spec.extra} beside them, {expected} together, got "
                f"{patches.shape[1]}; keep the tower's class token, or set extra to {patches.shape[1] - grid.tokens}"
            )
