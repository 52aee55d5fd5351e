"""The groups that go into the ledger, against what really reaches a token."""

from dataclasses import dataclass

import pytest
import torch

from saccade.connectors import CONNECTORS, build_connector
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.layouts.cells import BudgetRule, SquareRule
from saccade.specs.parts import ConnectorSpec
from saccade.specs.reader import PARTS

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
    guide = (torch.randn(1, 3, 7 * grid.rows, 7 * grid.cols).double(),) if spec.reads_pixels else ()
    patches = torch.randn(1, grid.tokens, 6).double()
    base = part(patches, grid, *guide)
    groups = spec.groups(grid)
    assert len(groups) == base.shape[1] == spec.tokens(grid)
    for patch in range(grid.tokens):
        moved = patches.clone()
        moved[0, patch] += torch.randn(6)  # not the same to all channels: norms take that away
        changed = (part(moved, grid, *guide) - base)[0].abs().amax(-1) > 0
        assert changed.tolist() == [patch in group for group in groups]


def test_every_connector_is_in_the_table():
    assert set(CONNECTORS) == {part for part in PARTS.values() if issubclass(part, ConnectorSpec)}
    assert all(type(build_connector(spec)) is CONNECTORS[type(spec)] for spec in SPECS)


@dataclass(frozen=True, kw_only=True)
class Own(ConnectorSpec):
    width_in: int = 6
    width_out: int = 6
    made: object = None

    def tokens(self, grid: Grid) -> int:
        return grid.tokens

    def cost(self, grid: Grid) -> Cost:
        return Cost()

    def build(self) -> object:
        return self.made


@dataclass(frozen=True, kw_only=True)
class Bare(ConnectorSpec):
    width_in: int = 6
    width_out: int = 6
    tokens = Own.tokens
    cost = Own.cost


def test_a_spec_of_ones_own_brings_its_module():
    module = torch.nn.Identity()
    assert build_connector(Own(made=module)) is module
    with pytest.raises(SaccadeError, match=r"Own\.build\(\) returned 3; return a torch\.nn\.Module"):
        build_connector(Own(made=3))
    with pytest.raises(SaccadeError, match=r"Bare has no module; give it build\(\)"):
        build_connector(Bare())


def test_a_spec_that_says_little_has_safe_defaults():
    spec = Own(width_in=6, width_out=8)
    assert [list(group) for group in spec.groups(Grid(1, 2))] == [[0, 1], [0, 1]]
    assert (spec.extra, spec.vectors, spec.text, spec.row, spec.grid_out(GRID)) == (0, 0, 0, None, None)
    assert not any([spec.exact, spec.reads_prompt, spec.reads_pixels, spec.own_tokenizer])
    assert spec.peak([Grid(1, 2), Grid(1, 3)], 4, eager=False) == 4 * 5 * (6 + 8)
