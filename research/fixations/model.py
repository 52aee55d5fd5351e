"""FoveaTer-style: foveated pooling, transformer blocks, and a loop that looks until it is sure. See ``spec.py``.

Fidelity: faithful. No code or weights were published, and what the texts leave open is listed with the spec.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from research.fixations.spec import ConvBackboneSpec, FoveaterSpec
from saccade.connectors.foveal import Pooling, away
from saccade.core.errors import SaccadeError
from saccade.nn.transformer import Block, sincos_2d
from saccade.specs.layouts.cells import centre


@final
class ConvBackbone(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: ConvBackboneSpec) -> None:
        super().__init__()
        self.spec = spec
        stages: list[nn.Module] = []
        for width_in, width_out in zip((3, *spec.widths), spec.widths, strict=False):
            stages.append(nn.Conv2d(width_in, width_out, 3, stride=2, padding=1, bias=False))
            stages += [nn.BatchNorm2d(width_out), nn.ReLU()]
        self.stages = nn.Sequential(*stages)

    def forward(self, pixels: Float[Tensor, "views 3 height width"]) -> Float[Tensor, "views patches channels"]:
        """A map in row order."""
        return self.stages(pixels).flatten(2).transpose(1, 2)


@final
@dataclass(frozen=True, slots=True)
class FixationResult:
    """Of each picture the ``shares`` of its classes, its ``path`` of fixations, and the ``tokens`` read for them.

    ``flops`` are those of the fixations as the spec predicts them, the map apart.
    """

    shares: Float[Tensor, "pictures classes"]
    path: tuple[tuple[int, ...], ...]
    tokens: Int[Tensor, " pictures"]
    flops: Int[Tensor, " pictures"]


@final
class Foveater(nn.Module):
    """``spec`` fixes every size. ``backbone`` gives maps of ``spec.grid`` and ``spec.source`` channels, in row order;
    without one, maps are handed in.
    """

    def __init__(self, spec: FoveaterSpec, backbone: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        self.enter = nn.Linear(spec.source, spec.width)
        self.positions = nn.Parameter(0.5 * sincos_2d(spec.grid.rows, spec.grid.cols, spec.width).flatten(0, 1))
        self.area = nn.Parameter(torch.zeros(spec.width))
        self.vote = nn.Parameter(torch.randn(spec.width) * 0.02)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, spec.mlp) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, eps=1e-6)
        self.head = nn.Linear(spec.width, spec.classes)

    def forward(
        self,
        maps: Float[Tensor, "pictures {self.spec.grid.tokens} {self.spec.source}"],
        path: Int[Tensor, "pictures given"],
        fixations: int,
    ) -> Float[Tensor, "pictures {fixations} {self.spec.classes}"]:
        """Logits after each of so many fixations, the mean of the votes so far; nobody stops.

        ``path`` are the first fixations; attention chooses those that follow. A choice has no gradient.
        """
        state = _State.of(maps, self.spec)
        means = []
        for number in range(fixations):
            fixation = path[:, number] if number < path.shape[1] else state.choice()
            logits, seen = self.glance(maps, fixation)
            state = state.after(logits, seen, fixation)
            means.append(state.votes / (number + 1))
        return torch.stack(means, dim=1)

    @torch.inference_mode()
    def look(
        self,
        maps: Float[Tensor, "pictures {self.spec.grid.tokens} {self.spec.source}"],
        *,
        threshold: float = 2.0,
        path: Int[Tensor, "pictures given"] | None = None,
        fixations: int | None = None,
    ) -> FixationResult:
        """Look until the likeliest class has a share of ``threshold`` (above 1: never sure), at most ``fixations``
        times, the spec's unless given. The first fixations are those of ``path``, or the middle.

        A picture that is sure leaves the batch, so that it costs nothing more.
        """
        limit = self.spec.fixations if fixations is None else fixations
        if limit < 1:
            raise SaccadeError(f"a picture is looked at once or more, got {limit} fixations")
        given = maps.new_full((len(maps), 1), centre(self.spec.grid), dtype=torch.long) if path is None else path
        shares = maps.new_empty(len(maps), self.spec.classes)
        paths: list[tuple[int, ...]] = [()] * len(maps)
        left, state = torch.arange(len(maps), device=maps.device), _State.of(maps, self.spec)
        for number in range(limit):
            fixation = given[left, number] if number < given.shape[1] else state.choice()
            logits, seen = self.glance(maps, fixation, left)
            state = state.after(logits, seen, fixation)
            found = (state.votes / (number + 1)).softmax(dim=1)
            for picture, at in zip(left.tolist(), fixation.tolist(), strict=True):
                paths[picture] += (at,)
            unsure = (found.amax(dim=1) < threshold) & (number + 1 < limit)
            shares[left[~unsure]] = found[~unsure]
            if not bool(unsure.any()):
                break
            if not bool(unsure.all()):
                left, state = left[unsure], state.only(unsure)
        tokens = torch.tensor([self.spec.tokens(path) for path in paths])
        flops = torch.tensor([self.spec.cost(path).flops for path in paths])
        return FixationResult(shares, tuple(paths), tokens, flops)

    def classify(self, pixels: Float[Tensor, "pictures 3 height width"], *, threshold: float = 2.0) -> FixationResult:
        """The same from pixels: the backbone runs once."""
        if self.backbone is None:
            raise SaccadeError("this model has no backbone; hand one in, or look at maps")
        with torch.inference_mode():
            return self.look(self.backbone(pixels), threshold=threshold)

    def glance(
        self,
        maps: Float[Tensor, "maps patches source"],
        fixations: Int[Tensor, " pictures"],
        rows: Int[Tensor, " pictures"] | None = None,
    ) -> tuple[Float[Tensor, "pictures {self.spec.classes}"], Float[Tensor, "pictures patches"]]:
        """Logits of one fixation, and the class token's attention to each place; the pictures are ``rows`` of the maps.

        Pictures of equally many cells run together, so that none is padded.
        """
        cells = [self.spec.cells(fixation) for fixation in fixations.tolist()]
        counts = [len(one) for one in cells]
        rows = torch.arange(len(maps), device=maps.device) if rows is None else rows
        if len(set(counts)) == 1:
            return self._pooled(maps, rows, Pooling.of(cells, maps.device))
        places = [[place for place, one in enumerate(counts) if one == count] for count in sorted(set(counts))]
        parts = [
            self._pooled(maps, rows[alike], Pooling.of([cells[place] for place in alike], maps.device))
            for alike in places
        ]
        back = torch.tensor([place for alike in places for place in alike], device=maps.device).argsort()
        logits, seen = (torch.cat(part)[back] for part in zip(*parts, strict=True))
        return logits, seen

    def _pooled(self, maps: Tensor, rows: Tensor, cells: Pooling) -> tuple[Tensor, Tensor]:
        """Tokens of the cells through the blocks."""
        positions = cells.mean(self.positions[None], torch.zeros_like(rows))
        x = self.enter(cells.mean(maps, rows)) + positions + cells.sizes.log()[..., None] * self.area
        x = torch.cat([self.vote.expand(len(rows), 1, -1), x], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        last = self.blocks[-1]
        assert isinstance(last, Block)
        voted, attention = _voted(last, x)
        return self.head(self.norm(voted)), cells.spread(attention)


def _voted(block: Block, x: Float[Tensor, "pictures length width"]) -> tuple[Tensor, Tensor]:
    """What ``block`` makes of the first position, and how much that looked at each of the others: mean over heads."""
    width, normed = x.shape[2], block.norm_attention(x)
    weight, bias = block.qkv.weight, block.qkv.bias
    query = F.linear(normed[:, :1], weight[:width], bias[:width])
    key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, dim=-1)
    query, key, value = (one.unflatten(-1, (block.heads, -1)).transpose(1, 2) for one in (query, key, value))
    weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(dim=-1)  # pictures heads 1 length
    voted = x[:, 0] + block.out((weights @ value).flatten(1))
    voted = voted + block.narrow(F.gelu(block.widen(block.norm_mlp(voted)), approximate="tanh"))
    return voted, weights[:, :, 0, 1:].mean(dim=1)


@dataclass(frozen=True, slots=True)
class _State:
    """What a picture's fixations have led to so far: votes added up, attention, and what is still worth a look."""

    spec: FoveaterSpec
    votes: Float[Tensor, "pictures classes"]
    seen: Float[Tensor, "pictures patches"]
    fresh: Float[Tensor, "pictures patches"]

    @classmethod
    def of(cls, maps: Tensor, spec: FoveaterSpec) -> "_State":
        """Before the first look."""
        blank = maps.new_zeros(maps.shape[:2])
        return cls(spec, maps.new_zeros(len(maps), spec.classes), blank, blank + 1)

    def after(self, logits: Tensor, seen: Tensor, fixation: Int[Tensor, " pictures"]) -> "_State":
        """One fixation later."""
        fresh = self.fresh * away(fixation, self.spec.grid, self.spec.sigma)
        return _State(self.spec, self.votes + logits, self.seen + seen, fresh)

    def choice(self) -> Int[Tensor, " pictures"]:
        """Where most was seen that was not looked at yet."""
        grid, side = self.spec.grid, self.spec.blur
        smooth = self.seen.unflatten(1, (1, grid.rows, grid.cols))
        for _ in range(2):
            smooth = F.avg_pool2d(smooth, side, stride=1, padding=side // 2)
        return (smooth.flatten(1) * self.fresh).argmax(dim=1)

    def only(self, rows: Tensor) -> "_State":
        """These pictures alone."""
        return _State(self.spec, self.votes[rows], self.seen[rows], self.fresh[rows])
