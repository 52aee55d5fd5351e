import pytest
import torch

from saccade.connectors import build_connector
from saccade.connectors.linear import Linear
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.connectors.linear import LinearSpec
from tests.memory import Meter, weights
from tests.parts import close, counted

SPEC = LinearSpec(width_in=12, width_out=8, vectors=2)


@torch.no_grad()
def test_one_matrix_over_every_patch():
    part, patches = build_connector(SPEC), torch.randn(2, 6, 12)
    assert isinstance(part, Linear)
    close(part(patches, Grid(2, 3)), patches @ part.project.weight.T + part.project.bias)
    assert part.vectors.shape == (2, 8)


@pytest.mark.parametrize("vectors", [0, 1, 2])
def test_cost_is_what_torch_counts(vectors):
    spec, grid = LinearSpec(width_in=12, width_out=8, vectors=vectors), Grid(3, 5)
    assert spec.cost(grid) == counted(lambda: Linear(spec), lambda part: part(torch.empty(1, 15, 12), grid))


def test_tokens_are_patches():
    assert (SPEC.tokens(Grid(3, 5)), SPEC.grid_out(Grid(3, 5)), SPEC.exact) == (15, Grid(3, 5), True)


def test_peak_is_what_a_run_holds():
    part, grid, patches = Linear(SPEC), Grid(20, 30), torch.randn(3, 600, 12)
    with torch.inference_mode(), Meter([*weights(part), patches]) as meter:
        part(patches, grid)
    found = meter.peak - sum(weight.nbytes for weight in weights(part))
    assert SPEC.peak([grid] * 3, 4, eager=False) == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("changes", [{"width_in": 0}, {"width_out": 0}, {"vectors": -1}], ids=str)
def test_refuses_what_is_no_width(changes):
    with pytest.raises(SaccadeError, match="widths are at least 1, vectors at least 0; got"):
        LinearSpec(**{"width_in": 1, "width_out": 1, **changes})
