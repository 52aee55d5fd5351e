"""The groups that go into the ledger, against what really reaches a token."""

import pytest
import torch

from saccade.connectors import CONNECTORS, build_connector
from saccade.core.grid import Grid
from saccade.specs.cells import BudgetRule, SquareRule
from saccade.specs.foveal import FovealSpec
from saccade.specs.groups import groups_of
from saccade.specs.hiwin import HiwinSpec
from saccade.specs.latents import LatentsSpec
from saccade.specs.mlp import MlpSpec
from saccade.specs.pixel_shuffle import PixelShuffleSpec
from saccade.specs.pool import PoolSpec
from saccade.specs.reader import ConnectorSpec
from saccade.specs.resampler import ResamplerSpec
from saccade.specs.windows import WindowsSpec

SPECS = [
    MlpSpec(width_in=6, width_out=8),
    PixelShuffleSpec(width_in=6, width_out=8, ratio=2),
    PoolSpec(width_in=6, width_out=8, rows=2, cols=3),
    ResamplerSpec(width_in=6, width_out=8, queries=4, heads=2),
    WindowsSpec(width_in=6, width_out=8, heads=2, queries=9),
    HiwinSpec(width_in=6, width_out=8, heads=2, queries=9, levels=(1, 2)),
    HiwinSpec(width_in=6, width_out=8, heads=2, queries=16, levels=(1, 4), kernel=3),
    HiwinSpec(width_in=6, width_out=8, heads=2, queries=16, levels=(2, 8), pyramid="bilinear"),
    FovealSpec(width_in=6, width_out=8, rule=BudgetRule(tokens=14)),
    FovealSpec(width_in=6, width_out=8, rule=SquareRule(radii=(1, 2), root=4)),
    LatentsSpec(width_in=6, width_out=6, latents=4, depth=2, heads=2, head=3, middle=8),
]
GRID = Grid(4, 8)
WIDE = Grid(5, 14)
"""Of more patches than windows see through an enlarged level."""


@pytest.mark.parametrize(
    ("spec", "grid"),
    [*((spec, GRID) for spec in SPECS), *((spec, WIDE) for spec in SPECS if isinstance(spec, WindowsSpec | HiwinSpec))],
    ids=lambda one: str(one) if isinstance(one, Grid) else type(one).__name__,
)
@torch.no_grad()
def test_a_patch_changes_the_tokens_whose_groups_hold_it_and_no_others(spec, grid):
    part = build_connector(spec).double()  # what reaches a token through two kernels may be little
    guide = (torch.randn(1, 3, 7 * grid.rows, 7 * grid.cols).double(),) if getattr(spec, "guided", False) else ()
    patches = torch.randn(1, grid.tokens, 6).double()
    base = part(patches, grid, *guide)
    groups = groups_of(spec, grid)
    assert len(groups) == base.shape[1] == spec.tokens(grid)
    for patch in range(grid.tokens):
        moved = patches.clone()
        moved[0, patch] += torch.randn(6)  # not the same to all channels: norms take that away
        changed = (part(moved, grid, *guide) - base)[0].abs().amax(-1) > 0
        assert changed.tolist() == [patch in group for group in groups]


def test_every_connector_is_in_the_table():
    assert set(CONNECTORS) == set(ConnectorSpec.__args__)
    assert all(type(build_connector(spec)) is CONNECTORS[type(spec)] for spec in SPECS)


def test_a_spec_of_ones_own_brings_its_module():
    class Own:
        def build(self) -> torch.nn.Module:
            return torch.nn.Identity()

    assert isinstance(build_connector(Own()), torch.nn.Identity)
