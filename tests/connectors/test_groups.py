"""The groups that go into the ledger, against what really reaches a token."""

import pytest
import torch

from saccade.connectors import CONNECTORS, build_connector
from saccade.core.grid import Grid
from saccade.specs.groups import groups_of
from saccade.specs.latents import LatentsSpec
from saccade.specs.mlp import MlpSpec
from saccade.specs.pixel_shuffle import PixelShuffleSpec
from saccade.specs.pool import PoolSpec
from saccade.specs.reader import ConnectorSpec
from saccade.specs.resampler import ResamplerSpec

SPECS = [
    MlpSpec(width_in=6, width_out=8),
    PixelShuffleSpec(width_in=6, width_out=8, ratio=2),
    PoolSpec(width_in=6, width_out=8, rows=2, cols=3),
    ResamplerSpec(width_in=6, width_out=8, queries=4, heads=2),
    LatentsSpec(width_in=6, width_out=6, latents=4, depth=2, heads=2, head=3, middle=8),
]
GRID = Grid(4, 8)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_a_patch_changes_the_tokens_whose_groups_hold_it_and_no_others(spec):
    part = build_connector(spec)
    patches = torch.randn(1, GRID.tokens, 6)
    base = part(patches, GRID)
    groups = groups_of(spec, GRID)
    assert len(groups) == base.shape[1] == spec.tokens(GRID)
    for patch in range(GRID.tokens):
        moved = patches.clone()
        moved[0, patch] += torch.randn(6)  # not the same to all channels: norms take that away
        changed = (part(moved, GRID) - base)[0].abs().amax(-1) > 0
        assert changed.tolist() == [patch in group for group in groups]


def test_every_connector_is_in_the_table():
    assert set(CONNECTORS) == set(ConnectorSpec.__args__)
    assert all(type(build_connector(spec)) is CONNECTORS[type(spec)] for spec in SPECS)


def test_a_spec_of_ones_own_brings_its_module():
    class Own:
        def build(self) -> torch.nn.Module:
            return torch.nn.Identity()

    assert isinstance(build_connector(Own()), torch.nn.Identity)
