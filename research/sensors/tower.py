"""The foveated patch sensor. See ``research/sensors/spec.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from research.sensors.spec import SensorSpec

Pixels = Float[Tensor, "views 3 height width"]
Fixations = Float[Tensor, "views 2"]


@final
class PatchSensor(nn.Module):
    """``spec`` fixes every size; ``sampling_kernels`` are its places, kept with the weights as in the released code."""

    def __init__(self, spec: SensorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.sampling_kernels = nn.Buffer(torch.as_tensor(spec.places, dtype=torch.float32))
        self.linear = nn.Linear(spec.samples, spec.width)
        self.norm = nn.LayerNorm(spec.width)
        self.positions = nn.Parameter(torch.zeros(spec.tokens, spec.width)) if spec.positions else None

    def forward(
        self, pixels: Pixels, fixations: Fixations | None = None
    ) -> Float[Tensor, "views {self.spec.tokens} {self.spec.width}"]:
        """Tokens in the retina's order, from the middle outwards.

        ``fixations`` are (x, y) for each view, -1 and 1 at its edges, the middle unless given. Gradients reach them.
        """
        tokens = self.norm(self.linear(self.look(pixels, fixations)))
        return tokens if self.positions is None else tokens + self.positions

    def look(
        self, pixels: Pixels, fixations: Fixations | None = None
    ) -> Float[Tensor, "views {self.spec.tokens} {self.spec.samples}"]:
        """What is sampled for each token: colour by colour, each patch in row order; nothing beyond the picture."""
        places = self.sampling_kernels[None]  # 1 samples tokens 2
        if fixations is None:
            places = places.expand(len(pixels), -1, -1, -1)
        else:
            places = places + fixations[:, None, None]
        seen = F.grid_sample(pixels, places, mode="bilinear", padding_mode="zeros", align_corners=False)
        return seen.permute(0, 3, 1, 2).flatten(2)  # views tokens 3·samples
