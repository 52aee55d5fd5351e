"""Hiwin: queries that each read their own window of every level of a pyramid. See ``specs/connectors/hiwin.py``."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.windows import fixed, unfolded
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.pyramid import Bilateral, bilinear
from saccade.nn.roi_align import align, align_table, spread
from saccade.nn.window_attention import Bound
from saccade.specs.connectors.hiwin import LEVELS, HiwinSpec

Pixels = Float[Tensor, "views 3 height width"]


@final
class Hiwin(nn.Module):
    """``spec`` fixes every size; weight names are those of the published checkpoints.

    Views of one grid make a batch; padding keys of other grids and masking them, as published, changes nothing.
    """

    def __init__(self, spec: HiwinSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width_out
        if not spec.lean:
            self.query = nn.Parameter(torch.randn(spec.queries, width) * 0.02)
            self.kv_proj = nn.Linear(spec.width_in, width, bias=False)
        for number in range(1, spec.sets + 1):
            self.register_parameter(f"query_{number}", nn.Parameter(torch.randn(spec.queries, width) * 0.02))
        for level in spec.levels if spec.lean else LEVELS:
            self.register_parameter(f"feature_{level}x_embedding", nn.Parameter(torch.zeros(1, 1, width)))
            self.add_module(f"features_{level}x_projector", nn.Linear(spec.width_in, width))
        self.pos_embed = fixed(spec.side, width, learned=not spec.lean)
        self.upsampler = Bilateral(spec) if spec.reads_pixels else None
        self.attn = nn.MultiheadAttention(width, spec.heads, batch_first=True)
        self.ln_q, self.ln_kv, self.ln_proj, self.ln_post = (nn.LayerNorm(width, eps=1e-6) for _ in range(4))
        self.cat_proj = nn.Linear(spec.sets * width, width)
        self.proj = nn.Parameter(torch.randn(width, width) * width**-0.5)

    def forward(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        pixels: Pixels | None = None,
    ) -> Float[Tensor, "views {self.spec.queries} {self.spec.width_out}"]:
        """Patches in row order over ``grid`` to one token a query.

        ``pixels`` are the views', normalised as the tower takes them. Raises SaccadeError where a bilateral pyramid is
        not given them.
        """
        values = self._values(patches, grid, pixels)
        if self.spec.lean:
            read = Bound.of(self.attn, self._asking(), self._places(grid))(values)
        else:
            read = unfolded(self.attn, self._asking(), self._places(grid), values)
        joined = torch.cat(list(self.ln_proj(read)), dim=-1)
        return self.ln_post(self.cat_proj(joined)) @ self.proj

    def attention(
        self,
        patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"],
        grid: Grid,
        pixels: Pixels | None = None,
    ) -> Float[Tensor, "views {self.spec.queries} {grid.tokens}"]:
        """How much each query looks at each patch, a finer place counted for the patch that it lies in: mean over heads
        and sets, 1 in all for each query, less for one whose window lies partly beyond a map of fewer patches than
        windows.
        """
        bound = Bound.of(self.attn, self._asking(), self._places(grid))
        shares = bound.weights(self._values(patches, grid, pixels)).mean(dim=2).transpose(0, 1)
        found = patches.new_zeros(len(patches), self.spec.queries, grid.rows, grid.cols)
        for level, part in zip(self.spec.levels, shares.chunk(len(self.spec.levels), dim=2), strict=True):
            finer = Grid(grid.rows * level, grid.cols * level)
            laid = spread(part, finer, self.spec.side).unflatten(2, (finer.rows, finer.cols))
            found = found + F.avg_pool2d(laid, level, divisor_override=1)
        return found.flatten(2)

    def _asking(self) -> Float[Tensor, "sets queries width"]:
        sets = torch.stack([self.get_parameter(f"query_{number}") for number in range(1, self.spec.sets + 1)])
        return self.ln_q(sets) + self.pos_embed

    def _values(
        self, patches: Tensor, grid: Grid, pixels: Tensor | None
    ) -> Float[Tensor, "windows views places width"]:
        """Every window's places of every level. A CPU works view by view: the finest map is large."""
        if self.spec.reads_pixels and pixels is None:
            raise SaccadeError(
                "a bilateral pyramid is made with the views' own pixels, got none; hand them in behind the grid, "
                'normalised as for the tower, or take pyramid "bilinear"'
            )
        size = 1 if patches.device.type == "cpu" else len(patches)
        seen = [None] * len(patches.split(size)) if pixels is None else pixels.split(size)
        made = [self._levels(*pair, grid) for pair in zip(patches.split(size), seen, strict=True)]
        return torch.cat(made, dim=1)

    def _levels(
        self, patches: Tensor, pixels: Tensor | None, grid: Grid
    ) -> Float[Tensor, "windows views places width"]:
        maps, made = patches.unflatten(1, (grid.rows, grid.cols)), []
        if self.upsampler is None or pixels is None:
            levels = bilinear(maps, self.spec.levels)
        else:
            levels = self.upsampler(maps, pixels)
        for level in self.spec.levels:
            project = self.get_submodule(f"features_{level}x_projector")
            made.append(align(self.ln_kv(project(levels[level])), self.spec.side))
        return torch.cat(made, dim=2)

    def _places(self, grid: Grid) -> Float[Tensor, "windows places width"]:
        """What makes keys of values: their positions, and which level they are of."""
        made = []
        for level in self.spec.levels:
            finer = Grid(grid.rows * level, grid.cols * level)
            table = self.pos_embed + self.get_parameter(f"feature_{level}x_embedding")[0]
            made.append(align_table(table, finer, self.spec.side))
        return torch.cat(made, dim=1)
