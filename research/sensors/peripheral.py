"""Peripheral position attention. See ``research/sensors/peripheral_spec.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from research.sensors.peripheral_spec import KERNEL, PeripheralSpec


@final
class Distances(nn.Module):
    """Distances between patches as channels, the same for all layers of a model."""

    def __init__(self, spec: PeripheralSpec) -> None:
        super().__init__()
        self.rpe = nn.Buffer(torch.as_tensor(spec.distances(), dtype=torch.float32), persistent=False)
        self.rpe_proj = nn.Linear(1, spec.channels)
        nn.init.constant_(self.rpe_proj.weight, -0.02)
        nn.init.zeros_(self.rpe_proj.bias)

    def forward(self) -> Float[Tensor, "patches channels rows cols"]:
        """A map for every patch."""
        return self.rpe_proj(self.rpe[..., None]).permute(0, 3, 1, 2)


@final
class DistanceShapes(nn.Module):
    """Each head's shape over distance. A norm is taken over the places that one patch looks at."""

    def __init__(self, spec: PeripheralSpec) -> None:
        super().__init__()
        channels, heads = spec.channels, spec.heads
        self.conv1, self.gn1 = nn.Conv2d(channels, channels, KERNEL), nn.GroupNorm(channels, channels)
        self.conv2, self.gn2 = nn.Conv2d(channels, heads, KERNEL), nn.GroupNorm(heads, heads)
        for conv in (self.conv1, self.conv2):
            nn.init.constant_(conv.weight, 0.02)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.gn2.bias, spec.shift)
        nn.init.constant_(self.gn2.weight, spec.scale)

    def forward(self, distances: Float[Tensor, "patches channels rows cols"]) -> Float[Tensor, "heads patches patches"]:
        """Logarithms of what each patch's looks at the others are multiplied with, all at most 0."""
        x = F.relu(self.gn1(self.conv1(distances)))
        return F.logsigmoid(self.gn2(self.conv2(x)).flatten(2).transpose(0, 1))


@final
class PeripheralAttention(nn.Module):
    """``spec`` fixes every size; weight names are those of the published checkpoints.

    A look's weight is σ(shape) · exp(q·k / √head), made to sum to 1: softmax of q·k / √head + log σ(shape).
    """

    def __init__(self, spec: PeripheralSpec) -> None:
        super().__init__()
        self.spec = spec
        self.activation = DistanceShapes(spec)
        self.to_qkv = nn.Linear(spec.width, 3 * spec.width, bias=False)
        self.proj = nn.Linear(spec.width, spec.width)

    def forward(
        self,
        patches: Float[Tensor, "views {self.spec.tokens} {self.spec.width}"],
        shapes: Float[Tensor, "{self.spec.heads} {self.spec.tokens} {self.spec.tokens}"],
    ) -> Float[Tensor, "views {self.spec.tokens} {self.spec.width}"]:
        """``shapes`` are ``activation(distances)``: of no view, so they are made once and kept where nothing learns."""
        qkv = self.to_qkv(patches).unflatten(-1, (3, self.spec.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each: views heads patches head
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=shapes[None])
        return self.proj(seen.transpose(1, 2).flatten(2))
