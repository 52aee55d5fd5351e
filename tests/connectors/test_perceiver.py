"""Perceiver as a connector: its own parts against each other; the parts themselves are tested in tests/nn."""

from dataclasses import replace

import pytest
import torch

from saccade.connectors import build_connector
from saccade.connectors.perceiver import PerceiverConnector
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.records.recipe import from_dict, to_dict
from saccade.specs.connectors.perceiver_connector import PerceiverConnectorSpec
from saccade.specs.laws.perceiver import AttendSpec, PerceiverSpec
from saccade.specs.reader import PARTS
from tests.memory import Meter, weights
from tests.parts import close, counted, shake

CORE = PerceiverSpec(
    latents=4, read=AttendSpec(width=8, source=12), layer=AttendSpec(width=8, heads=2), blocks=2, layers=2
)
SPEC = PerceiverConnectorSpec(encoder=CORE, width_out=6)
ASKED = replace(SPEC, queries=3, heads=2)
AGAIN = replace(SPEC, encoder=replace(CORE, every=1, share_reads="all_but_first"), extra=1)
SPECS = {"latents": SPEC, "queries": ASKED, "read again": AGAIN}
GRID = Grid(3, 5)


def made(spec: PerceiverConnectorSpec) -> PerceiverConnector:
    part = build_connector(spec).eval()
    assert isinstance(part, PerceiverConnector)
    shake(part)
    return part


def patches(spec: PerceiverConnectorSpec, grid: Grid = GRID, views: int = 3) -> torch.Tensor:
    return torch.randn(views, grid.tokens + spec.extra, 12)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("grid", [GRID, Grid(1, 1)], ids=str)
def test_cost_is_what_torch_counts(name, grid):
    spec = SPECS[name]
    given = patches(spec, grid, 1).to("meta")
    assert spec.cost(grid) == counted(lambda: PerceiverConnector(spec), lambda part: part(given, grid))


@pytest.mark.parametrize("name", SPECS)
def test_tokens_are_as_many_whatever_the_view_and_known_by_attention(name):
    spec = SPECS[name]
    part, number = made(spec), spec.queries or 4
    for grid in (GRID, Grid(1, 1), Grid(7, 2)):
        assert spec.tokens(grid) == number
        assert part(patches(spec, grid), grid).shape == (3, number, 6)
    assert not spec.exact
    assert [group.tolist() for group in spec.groups(Grid(1, 2))] == [[0, 1]] * number


@pytest.mark.parametrize("name", SPECS)
def test_attention_is_where_tokens_look(name):
    """A sum of 1, and what moves it: a patch that is looked at by nobody else's share."""
    spec = SPECS[name]
    part, given = made(spec), patches(spec)
    found = part.attention(given, GRID)
    close(found.sum(-1), torch.ones(3, spec.tokens(GRID)))
    watch = []
    z = part.encoder(given, watch=watch)
    assert len(watch) == spec.encoder.reads
    mean = sum(one.expand(3, -1, -1) for one in watch) / len(watch)
    if part.decoder is not None:
        mean = part.decoder.weights(z) @ mean
    mean = mean[..., spec.extra :]
    close(found, mean / mean.sum(-1, keepdim=True))
    first = part.encoder.reads[0].weights(part.encoder.latents[None], given)
    close(watch[0], first)


def test_queries_come_from_the_latents_and_keep_their_order():
    part, given, order = made(ASKED), patches(ASKED), torch.tensor([2, 0, 1])
    before = part(given, GRID)
    close(before, part.decoder(part.encoder(given)))
    with torch.no_grad():
        part.decoder.queries.copy_(part.decoder.queries[order])
    close(part(given, GRID), before[:, order])


def test_one_view_alone_and_in_a_batch():
    for spec in SPECS.values():
        part, given = made(spec), patches(spec)
        whole = part(given, GRID)
        for view in range(3):
            close(part(given[view : view + 1], GRID), whole[view : view + 1])


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("views", [1, 4])
def test_peak_is_what_is_alive(views, lean):
    read = AttendSpec(width=128, source=256, lean=lean)
    core = PerceiverSpec(latents=16, read=read, layer=AttendSpec(width=128, heads=4, widen=2), layers=2)
    spec = PerceiverConnectorSpec(encoder=core, width_out=96)
    part, given = PerceiverConnector(spec), torch.randn(views, 576, 256)
    with torch.inference_mode(), Meter([*weights(part), given]) as meter:
        part(given, Grid(24, 24))
    found = meter.peak - sum(weight.nbytes for weight in weights(part))
    assert read.folds(16, 576) == lean
    assert spec.peak([Grid(24, 24)] * views, 4, eager=False) == pytest.approx(found, rel=0.15), meter.worst


@pytest.mark.parametrize("name", SPECS)
def test_specs_are_recipes(name):
    assert from_dict(to_dict(SPECS[name], PARTS), PARTS) == SPECS[name]


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="reads 15 patches and 1 beside them, 16 together, got 15; keep the tower's"):
        made(AGAIN)(patches(SPEC), GRID)
    with pytest.raises(SaccadeError, match="or set extra to 1"):
        made(SPEC).attention(patches(AGAIN), GRID)
    with pytest.raises(SaccadeError, match="heads are those of queries, of which there are none, got 2; give queries"):
        replace(SPEC, heads=2)
    with pytest.raises(SaccadeError, match="width_out is 1 or more, queries and extra 0 or more, got 0, 0 and 0"):
        replace(SPEC, width_out=0)
