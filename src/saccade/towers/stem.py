"""The embedded family's tower: a small convolutional stem in front of transformer blocks."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.nn.transformer import Block, resize_table, sincos_2d
from saccade.specs.towers.vit import StemTowerSpec


class Residual(nn.Module):
    """Two 3 × 3 convolutions, each after a norm and ReLU, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(4, width), nn.Conv2d(width, width, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(4, width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "views channels high wide"]) -> Float[Tensor, "views channels high wide"]:
        """Same shape in and out."""
        return x + self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


class Stem(nn.Module):
    """Pixels to patches at an eighth of the resolution; learns strokes before attention sees them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32)
        self.conv2, self.block2 = nn.Conv2d(32, 64, 3, stride=2, padding=1), Residual(64)
        self.norm2 = nn.GroupNorm(4, 64)
        self.conv3, self.block3 = nn.Conv2d(64, width, 3, stride=2, padding=1), Residual(width)

    def forward(self, pixels: Float[Tensor, "views 3 height width"]) -> Float[Tensor, "views channels rows cols"]:
        """A map of patches."""
        pixels = pixels.contiguous(memory_format=torch.channels_last)  # in which convolutions on a CPU copy less
        x = self.block2(self.conv2(F.relu(self.norm1(self.conv1(pixels)))))
        return self.block3(self.conv3(F.relu(self.norm2(x))))


@final
class StemTower(nn.Module):
    """See ``StemTowerSpec``. Views of any size that the patch divides; positions are interpolated."""

    def __init__(self, spec: StemTowerSpec) -> None:
        super().__init__()
        self.spec = spec
        side = spec.side // spec.patch
        self.stem = Stem(spec.width)
        self.positions = nn.Parameter(sincos_2d(side, side, spec.width, base=100.0) * 0.5)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads, spec.mlp) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, eps=1e-6)

    def forward(
        self, pixels: Float[Tensor, "views 3 height width"]
    ) -> Float[Tensor, "views patches {self.spec.width}"]:
        """Patches in row order, normalised."""
        patches = self.stem(pixels).permute(0, 2, 3, 1)  # views rows cols width
        patches = patches + resize_table(self.positions, *patches.shape[1:3])
        x = patches.flatten(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
