"""A tower with heads on the way, and batches that shrink as pictures leave. ``research/exits/spec.py``.

Fidelity: faithful to BranchyNet's heads and losses on a tower of this project.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from research.exits.spec import ExitsSpec
from saccade.core.grid import Grid
from saccade.nn.transformer import Block, resize_table, sincos_2d
from saccade.towers.stem import Stem

Sureness = Callable[[Float[Tensor, "views classes"]], Float[Tensor, " views"]]
"""How sure shares of classes are, from 0 to 1."""


def confidence(shares: Float[Tensor, "views classes"]) -> Float[Tensor, " views"]:
    """The share of the likeliest class."""
    return shares.amax(dim=1)


def order(shares: Float[Tensor, "views classes"]) -> Float[Tensor, " views"]:
    """What entropy lacks of that of equal shares: 0 if all are equal, 1 if one class has everything.

    BranchyNet's entropy below a threshold is this above another.
    """
    return 1 + (shares * shares.clamp_min(1e-30).log()).sum(dim=1) / torch.tensor(float(shares.shape[1])).log()


@final
class ExitHead(nn.Module):
    """A norm, the mean over patches, a matrix."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.tell = nn.Linear(width, classes)

    def forward(self, x: Float[Tensor, "views patches width"]) -> Float[Tensor, "views classes"]:
        """Logits."""
        return self.tell(self.norm(x).mean(dim=1))


@final
class ExitLayers(nn.Module):
    """Everything behind the stem: positions, blocks, and a head after each stage of them."""

    def __init__(self, spec: ExitsSpec) -> None:
        super().__init__()
        self.spec = spec
        tower, side = spec.tower, spec.tower.side // spec.tower.patch
        self.positions = nn.Parameter(sincos_2d(side, side, tower.width, base=100.0) * 0.5)
        self.blocks = nn.ModuleList(Block(tower.width, tower.heads, tower.mlp) for _ in range(tower.depth))
        self.heads = nn.ModuleList(ExitHead(tower.width, spec.classes) for _ in spec.places)

    def forward(
        self, maps: Float[Tensor, "views channels rows cols"], *, rescaled: bool = False
    ) -> Float[Tensor, "views {self.spec.exits} {self.spec.classes}"]:
        """Logits of every exit; nobody leaves.

        ``rescaled`` gives a layer the mean of the gradients of the exits behind it instead of their sum: the branch to
        exit e of E passes 1 / (E - e), and what goes on the rest. arXiv:1908.06294.
        """
        x, told, behind = self.enter(maps), [], self.spec.exits
        for number in range(self.spec.exits):
            x = self.stage(x, number)
            told.append(self.heads[number](_passing(x, 1 / behind) if rescaled else x))
            x = _passing(x, (behind - 1) / behind) if rescaled else x
            behind -= 1
        return torch.stack(told, dim=1)

    def enter(self, maps: Float[Tensor, "views channels rows cols"]) -> Float[Tensor, "views patches channels"]:
        """The stem's patches in row order, with positions."""
        patches = maps.permute(0, 2, 3, 1)
        return (patches + resize_table(self.positions, *patches.shape[1:3])).flatten(1, 2)

    def stage(self, x: Float[Tensor, "views patches channels"], number: int) -> Float[Tensor, "views patches channels"]:
        """The blocks between two exits."""
        for layer in range(*self.spec.stages[number]):
            x = self.blocks[layer](x)
        return x


def _passing(x: Tensor, share: float) -> Tensor:
    """``x`` to the last bit, and ``share`` of its gradient."""
    still = x.detach()
    return still + share * (x - still)


@final
@dataclass(frozen=True, slots=True)
class Exited:
    """Of each picture the ``shares`` of its classes, the number of its ``exit`` from 0, and the ``flops`` to there."""

    shares: Float[Tensor, "views classes"]
    exit: Int[Tensor, " views"]
    flops: Int[Tensor, " views"]


@final
class ExitClassifier(nn.Module):
    """``spec`` fixes every size. Pictures of any size that the patch divides; positions are interpolated."""

    def __init__(self, spec: ExitsSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = Stem(spec.tower.width)
        self.layers = ExitLayers(spec)

    def forward(
        self, pixels: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views {self.spec.exits} {self.spec.classes}"]:
        """Logits of every exit; nobody leaves."""
        return self.layers(self.stem(pixels))

    @torch.inference_mode()
    def infer(
        self,
        pixels: Float[Tensor, "views 3 height width"],
        thresholds: float | Sequence[float],
        *,
        sure: Sureness = confidence,
    ) -> Exited:
        """Each picture from the first exit that is as sure as its threshold says, or from the last.

        A picture that is sure leaves the batch, so that it costs nothing more. One threshold stands for all exits.
        """
        limits = (*self.spec.thresholds(thresholds), 0.0)
        maps = self.stem(pixels)
        x, inside = self.layers.enter(maps), torch.arange(len(pixels), device=pixels.device)
        shares = pixels.new_empty(len(pixels), self.spec.classes)
        exits = torch.zeros(len(pixels), dtype=torch.long, device=pixels.device)
        for number, limit in enumerate(limits):
            x = self.layers.stage(x, number)
            found = F.softmax(self.layers.heads[number](x), dim=1)
            last = number + 1 == len(limits)
            unsure = torch.zeros_like(inside, dtype=torch.bool) if last else sure(found) < limit
            gone = inside[~unsure]
            shares[gone], exits[gone] = found[~unsure], number
            if not bool(unsure.any()):
                break
            if len(gone):
                x, inside = x[unsure], inside[unsure]
        grid = Grid(*maps.shape[2:])
        flops = torch.tensor([self.spec.upto(grid, number).flops for number in range(self.spec.exits)])
        return Exited(shares, exits, flops.to(exits.device)[exits])
