"""Tokens from regions: a raster, learned queries, or a list. See ``specs/connectors/region_tokens.py``."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.mlp import Projector
from saccade.core.grid import Grid
from saccade.specs.connectors.region_tokens import RegionListSpec, RegionQueriesSpec, RegionsSpec
from saccade.specs.towers.regions import GEOMETRY, RowSpec


class Rows(NamedTuple):
    """A region tower's rows, channels apart."""

    features: Float[Tensor, "views rows features"]
    geometry: Float[Tensor, "views rows 6"]
    cover: Float[Tensor, "views rows places"]
    present: Float[Tensor, "views rows 1"]

    @classmethod
    def of(cls, patches: Float[Tensor, "views rows width"], row: RowSpec) -> "Rows":
        """As ``RowSpec`` lays them out."""
        return cls(*patches.split([row.features, GEOMETRY, row.raster**2, 1], dim=-1))

    def shares(self) -> Float[Tensor, "views places rows"]:
        """How much of each place each row makes, 1 in all: regions by coverage × score, the whole view the rest.

        Where regions lie over one another and cover more than a place, they share it in proportion.
        """
        regions = self.cover[:, 1:]
        total = regions.sum(dim=1, keepdim=True)
        rest = (1 - total).clamp(min=0)
        return (torch.cat([rest, regions], dim=1) / (total + rest)).transpose(1, 2)


class RegionProjector(nn.Module):
    """A region as one vector: its feature, and what two layers make of its place and score."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.widen = nn.Linear(GEOMETRY, features)
        self.mix = nn.Linear(features, features)

    def forward(self, rows: Rows) -> Float[Tensor, "views rows features"]:
        """Zeros where there is no region."""
        return (rows.features + self.mix(F.gelu(self.widen(rows.geometry)))) * rows.present


@final
class RasterRegions(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: RegionsSpec) -> None:
        super().__init__()
        self.spec = spec
        self.region = RegionProjector(spec.features)
        self.positions = nn.Parameter(torch.randn(spec.raster**2, spec.features) * 0.02)
        self.project = Projector(spec.features, spec.width_out)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.tokens(grid)} {self.spec.width_out}"]:
        """Rows to tokens in row order over the raster."""
        rows = Rows.of(patches, self.spec.row)
        return self.project(rows.shares() @ self.region(rows) + self.positions)


@final
class RegionQueries(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: RegionQueriesSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width_out
        self.region = RegionProjector(spec.features)
        self.query = nn.Parameter(torch.randn(spec.queries, width) * 0.02)
        self.kv_proj = nn.Linear(spec.features, width, bias=False)
        self.ln_q = nn.LayerNorm(width, eps=1e-6)
        self.ln_kv = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.MultiheadAttention(width, spec.heads, batch_first=True)
        self.ln_post = nn.LayerNorm(width, eps=1e-6)
        self.proj = nn.Parameter(torch.randn(width, width) * width**-0.5)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {self.spec.queries} {self.spec.width_out}"]:
        """Rows to one token a query; nobody looks at padding."""
        rows = Rows.of(patches, self.spec.row)
        keys = self.ln_kv(self.kv_proj(self.region(rows)))
        queries = self.ln_q(self.query).expand(len(patches), -1, -1)
        hidden = rows.present[..., 0] == 0
        read, _ = self.attn(queries, keys, keys, key_padding_mask=hidden, need_weights=False)
        return self.ln_post(read) @ self.proj


@final
class RegionList(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: RegionListSpec) -> None:
        super().__init__()
        self.spec = spec
        self.region = RegionProjector(spec.features)
        self.project = Projector(spec.features, spec.width_out)

    def forward(
        self, patches: Float[Tensor, "views {grid.tokens} {self.spec.width_in}"], grid: Grid
    ) -> Float[Tensor, "views {grid.tokens} {self.spec.width_out}"]:
        """Row by row."""
        return self.project(self.region(Rows.of(patches, self.spec.row)))
