"""The localizer. See ``research/sensors/localizer_spec.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from research.sensors.localizer_spec import GROUPS, LocalizerSpec


@final
class Localizer(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: LocalizerSpec) -> None:
        super().__init__()
        self.spec = spec
        layers: list[nn.Module] = []
        for before, width in zip((3, *spec.widths), spec.widths, strict=False):
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1), nn.GroupNorm(GROUPS, width), nn.ReLU()]
        self.net = nn.Sequential(*layers)
        self.saliency = nn.Conv2d(spec.widths[-1], 1, 1)
        line = torch.linspace(-1, 1, spec.places)
        self.grid = nn.Buffer(torch.stack(torch.meshgrid(line, line, indexing="xy")))

    def forward(self, pixels: Float[Tensor, "views 3 height width"]) -> Float[Tensor, "views 2"]:
        """(x, y) of each view's fixation: the mean of all places, each weighed by its share."""
        return (self.shares(pixels)[:, None] * self.grid).sum(dim=(2, 3))

    def shares(self, pixels: Float[Tensor, "views 3 height width"]) -> Float[Tensor, "views rows cols"]:
        """How much each place draws the eye, 1 in all for a view."""
        side = (self.spec.side, self.spec.side)
        seen = F.interpolate(pixels, side, mode="bilinear", antialias=True)
        scores = self.saliency(self.net(seen))[:, 0]  # views rows cols
        return (scores.flatten(1) / self.spec.temperature).softmax(dim=1).view_as(scores)
