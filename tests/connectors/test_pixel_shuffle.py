from types import SimpleNamespace

import pytest
import torch
from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMConnector

from saccade.connectors.pixel_shuffle import PixelShuffle
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from tests.parts import close, counted

GRIDS = [Grid(2, 2), Grid(4, 4), Grid(2, 6), Grid(8, 4)]
SPEC = PixelShuffleSpec(width_in=6, width_out=8, ratio=2)


@pytest.mark.parametrize("connector", [Idefics3Connector, SmolVLMConnector])
@pytest.mark.parametrize("ratio", [2, 3])
def test_parity_with_idefics3_and_smolvlm(connector, ratio):
    widths = {"vision_config": SimpleNamespace(hidden_size=6), "text_config": SimpleNamespace(hidden_size=8)}
    theirs = connector(SimpleNamespace(scale_factor=ratio, **widths))
    ours = PixelShuffle(PixelShuffleSpec(width_in=6, width_out=8, ratio=ratio))
    ours.project.load_state_dict(theirs.modality_projection.proj.state_dict())
    patches = torch.randn(3, 36, 6)  # they know square grids only
    close(ours(patches, Grid(6, 6)), theirs(patches))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_slow_fold_gives_the_same(grid):
    ours, patches = PixelShuffle(SPEC), torch.randn(2, grid.tokens, 6)
    image = patches.reshape(2, grid.rows, grid.cols, 6)
    slow = [
        image[:, row : row + 2, col : col + 2].reshape(2, -1)
        for row in range(0, grid.rows, 2)
        for col in range(0, grid.cols, 2)
    ]
    close(ours(patches, grid), ours.project(torch.stack(slow, dim=1)))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_cost_is_what_torch_counts(grid):
    assert SPEC.cost(grid) == counted(
        lambda: PixelShuffle(SPEC), lambda part: part(torch.empty(1, grid.tokens, 6), grid)
    )


@pytest.mark.parametrize("grid", [Grid(3, 4), Grid(4, 3)], ids=str)
def test_refuses_a_ragged_grid(grid):
    with pytest.raises(SaccadeError, match=rf"ratio 2 does not divide the {grid} grid"):
        SPEC.tokens(grid)
    with pytest.raises(SaccadeError, match="ratio must be at least 1, got 0"):
        PixelShuffleSpec(width_in=6, width_out=8, ratio=0)
